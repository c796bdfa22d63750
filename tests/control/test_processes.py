"""A worker or a judge that can't be started just now is started later: the machine had no process to spare."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from strangler.config.load import Loaded, load
from strangler.control.judge import handle as judge_handle
from strangler.control.judge.handle import JudgeHandle
from strangler.control.workers import fleet
from strangler.control.workers.fleet import Workers
from strangler.control.workers.listening import Listening, listen
from strangler.model.listener import ListenAddress
from strangler.proxy.rate_limits.shared_buckets import new_tally

CONFIG = """\
version: 1
store: {url: "sqlite:///store.sqlite3"}
upstreams:
  legacy: {endpoints: "http://127.0.0.1:1"}
  extracted: {endpoints: "http://127.0.0.1:2"}
migrations:
  catalog:
    from: legacy
    to: extracted
    stage: shadow
    routes: [{match: {path: "/**"}}]
"""
DEADLINE = 20.0


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    (tmp_path / "gateway.yaml").write_text(CONFIG)
    return load(tmp_path / "gateway.yaml")


def failing_first(times: int, start: Callable[..., Any]) -> Callable[..., Any]:
    """`start`, which fails the first `times` times."""
    left = times

    async def failing(*arguments: Any, **named: Any) -> Any:
        nonlocal left
        left -= 1
        if left >= 0:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return await start(*arguments, **named)

    return failing


def one_worker(shared: socket.socket, loaded: Loaded) -> Workers:
    kept = Workers(1, Listening(shared, new_tally(), None, []), lambda report: None, lambda provider: None)
    kept.briefing.publish(loaded.snapshot)
    return kept


def test_a_worker_start_that_fails_is_retried(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "start_worker", failing_first(3, fleet.start_worker))

    async def main() -> None:
        with listen(ListenAddress("127.0.0.1", 0)) as shared:
            kept = one_worker(shared, loaded)
            await kept.start()
            said = (
                "worker 0 ended 2 times in a row: it could not be started: [Errno 11] Resource temporarily unavailable"
            )
            async with asyncio.timeout(DEADLINE):
                while kept.why_not_serving(loaded.snapshot.version) != said:
                    await asyncio.sleep(0.01)
            assert await kept.wait_serving(DEADLINE)
            await kept.stop(0.1, 0.0)

    asyncio.run(main())


def test_a_worker_stays_when_its_successor_cannot_start(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        with listen(ListenAddress("127.0.0.1", 0)) as shared:
            kept = one_worker(shared, loaded)
            await kept.start()
            assert await kept.wait_serving(DEADLINE)
            before = kept.running[0]
            monkeypatch.setattr(fleet, "start_worker", failing_first(1, fleet.start_worker))
            await kept.replace()
            assert kept.running == {0: before}
            await kept.replace()
            assert kept.running[0] is not before
            await kept.stop(0.1, 0.0)

    asyncio.run(main())


def test_a_judge_start_that_fails_is_retried(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge_handle, "RESTART", 0.01)
    monkeypatch.setattr(asyncio, "create_subprocess_exec", failing_first(2, asyncio.create_subprocess_exec))

    async def main() -> None:
        judge = JudgeHandle(lambda path: None, lambda judged: None)
        judge.apply(loaded)
        assert repr(judge) == "<judge, no process, starting, restarts: 0>"
        async with asyncio.timeout(DEADLINE):
            while not judge.ready:
                await asyncio.sleep(0.01)
        assert repr(judge) == f"<judge, process {judge.pid}, ready, restarts: 2>"
        await judge.stop()

    asyncio.run(main())
