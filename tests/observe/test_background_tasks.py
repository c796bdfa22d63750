"""Background tasks: held until they end, and a failure is logged with the task's name."""

from __future__ import annotations

import asyncio
from typing import Any

from strangler.observe.background_tasks import BackgroundTasks


class Log:
    """Remembers what was logged."""

    def __init__(self) -> None:
        self.errors: list[tuple[str, dict[str, Any]]] = []

    def error(self, event: str, **fields: Any) -> None:
        self.errors.append((event, fields))


async def fail() -> None:
    raise ValueError("no keys")


def test_a_failure_is_logged_with_the_name_of_the_task() -> None:
    log = Log()

    async def main() -> None:
        tasks = BackgroundTasks(log)
        tasks.start(fail(), "keys of shop")
        await tasks.wait()
        assert len(tasks) == 0

    asyncio.run(main())
    ((event, fields),) = log.errors
    assert event == "background task failed"
    assert fields["task"] == "keys of shop"
    assert repr(fields["exc_info"]) == "ValueError('no keys')"


def test_a_cancelled_task_is_not_a_failure() -> None:
    log = Log()

    async def main() -> None:
        tasks = BackgroundTasks(log)
        tasks.start(asyncio.sleep(60), "watching files")
        tasks.start(asyncio.sleep(60), "announcement")
        assert repr(tasks) == "<BackgroundTasks announcement, watching files>"
        await tasks.wait(timeout=0.01)
        assert len(tasks) == 2
        tasks.cancel()
        await tasks.wait()
        assert repr(tasks) == "<BackgroundTasks none>"

    asyncio.run(main())
    assert log.errors == []
