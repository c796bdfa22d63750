"""Work of the judge that sends requests, beside the pairs that come meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import structlog

from strangler.shadow.judging.case import Case

log = structlog.get_logger(part="judge")


class PendingWork:
    """Runs what sends requests, and counts it as waiting for its migration."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(
        self, case: Case, work: Coroutine[Any, Any, None], otherwise: Callable[[bool], None] = lambda cancelled: None
    ) -> None:
        """Do `work` beside other pairs; `otherwise` gets whether it was cancelled or failed."""
        case.waiting += 1
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(partial(self._done, case, otherwise))

    async def settle(self) -> None:
        """Wait until all of it is done."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _done(self, case: Case, otherwise: Callable[[bool], None], task: asyncio.Task[None]) -> None:
        case.waiting -= 1
        self._tasks.discard(task)
        if task.cancelled():
            otherwise(True)
        elif (error := task.exception()) is not None:
            log.error("asking again failed", error=repr(error), exc_info=error)
            otherwise(False)
