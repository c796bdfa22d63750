"""Kills workers that no longer report: their event loop is blocked, and so are their clients."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection
from time import monotonic

import structlog

from strangler.control.workers.handle import START_DEADLINE, WorkerHandle

log = structlog.get_logger(part="workers")

INTERVAL = 1.0
LATE = 3.0
"""Seconds after which a look that was due counts as late: the control process itself was blocked."""


async def kill_silent(
    workers: Callable[[], Collection[WorkerHandle]], limit: Callable[[], float], stopping: asyncio.Event
) -> None:
    """Until `stopping`, kill each of `workers` that has been silent for more than `limit` seconds."""
    while not stopping.is_set():
        before = monotonic()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), INTERVAL)
        now = monotonic()
        for worker in workers():
            # Until it serves, a worker has more to do than to report.
            patience = limit() if worker.version else max(limit(), START_DEADLINE)
            if now - before > LATE:
                # What the worker sent meanwhile has not been read.
                worker.heard = now
            elif now - worker.heard > patience:
                worker.failure = f"it was silent for {patience:g} s"
                log.error("worker is silent, killed", worker=worker.number, pid=worker.pid)
                worker.kill()
