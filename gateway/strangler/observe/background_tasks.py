"""Background tasks: nothing awaits them, so their failure is logged here.

asyncio keeps only weak references to tasks, and reports the exception of a task
only when the task is collected, which may be never.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol


class ErrorLog(Protocol):
    """The part of a structlog logger that is needed here; workers do without structlog."""

    def error(self, event: str, **fields: Any) -> Any:
        """Log `event`."""


class BackgroundTasks:
    """Holds each task until it ends, and logs its failure to `log` with the task's name."""

    def __init__(self, log: ErrorLog) -> None:
        self._log = log
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def __repr__(self) -> str:
        return f"<BackgroundTasks {', '.join(sorted(task.get_name() for task in self._tasks)) or 'none'}>"

    def start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run `work` as a task; `name` is what the log calls it."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def cancel(self) -> None:
        """Cancel all tasks."""
        for task in self._tasks:
            task.cancel()

    async def wait(self, timeout: float | None = None) -> None:
        """Wait until all tasks that run now have ended, at most `timeout` seconds."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("background task failed", task=task.get_name(), exc_info=error)
