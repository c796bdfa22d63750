"""Work of the judge that sends requests, beside the pairs that come meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import structlog

from strangler.observe.background_tasks import BackgroundTasks
from strangler.shadow.judging.case import Case

log = structlog.get_logger(part="judge")


class PendingWork:
    """Runs what sends requests, and counts it as waiting for its migration."""

    def __init__(self) -> None:
        self._tasks = BackgroundTasks(log)

    def begin(
        self, case: Case, work: Coroutine[Any, Any, None], otherwise: Callable[[bool], None] = lambda cancelled: None
    ) -> None:
        """Do `work` beside other pairs; `otherwise` gets whether it was cancelled or failed."""
        case.waiting += 1
        task = self._tasks.start(work, f"asking again about {case.migration.name}")
        task.add_done_callback(partial(self._done, case, otherwise))

    async def settle(self) -> None:
        """Wait until all of it is done; cancelling this cancels it."""
        try:
            while self._tasks:
                await self._tasks.wait()
        except asyncio.CancelledError:
            self._tasks.cancel()
            await self._tasks.wait()
            raise

    def _done(self, case: Case, otherwise: Callable[[bool], None], task: asyncio.Task[None]) -> None:
        case.waiting -= 1
        if task.cancelled() or task.exception() is not None:
            otherwise(task.cancelled())
