"""Requests that wait for Redis to count them each go on, whatever becomes of Redis, of a reload or of one another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from strangler.config.load import load
from strangler.model.rate_limits import Redis
from strangler.model.snapshot import Snapshot
from strangler.proxy.rate_limits import redis_counts as shared_counts
from strangler.proxy.rate_limits.redis_counts import SharedCounts
from strangler.proxy.rate_limits.redis_trouble import NONSENSE, Trouble
from strangler.resilience.gcra import Verdict, rate_of
from tests.proxy.in_process import Plane, run

CONFIGURATION = """
version: 1
upstreams: {shop: {endpoints: ["http://127.0.0.1:1"]}}
%s
routes: [{name: all, match: {path: /**}, upstream: shop, rate_limits: [{requests: 100, per: 1s}]}]
access_log: {enabled: false}
"""
GET = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
ADMITTED = b"*3\r\n:0\r\n:0\r\n:1000000\r\n"
"""What the script replies for a full bucket that admits: not refused, no room left, full again in a second."""
VERDICT = [Verdict(True, 0, 0, 1_000_000_000, 0)]
RATES = [rate_of(1, 1.0, 1)]


class Answered:
    """What was asked for; `raising` raises once it is here."""

    def __init__(self, *, raising: bool = False) -> None:
        self.verdicts: list[list[Verdict] | None] = []
        self._raising = raising

    def __call__(self, verdicts: list[Verdict] | None) -> None:
        self.verdicts.append(verdicts)
        if self._raising:
            raise ValueError


async def until(true: Any) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.005)


def reports() -> list[str]:
    """The messages of what the loop reports from now on."""
    reported: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["message"]))
    return reported


@asynccontextmanager
async def redis_stand_in(*replies: bytes) -> AsyncIterator[Redis]:
    """Something that looks like Redis: gives `replies` to the first calls of the script, then ADMITTED."""
    left, serving = list(replies), set[asyncio.Task[None]]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        while line := await reader.readline():
            words = []
            for _ in range(int(line[1:])):
                length = int((await reader.readline())[1:])
                words.append((await reader.readexactly(length + 2))[:-2])
            if words[0] == b"EVALSHA":
                writer.write(left.pop(0) if left else ADMITTED)
            else:
                writer.write(b"+%s\r\n" % (b"a" * 40 if words[0] == b"SCRIPT" else b"OK"))
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield Redis(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0", timeout=10)
    finally:
        server.close()
    async with asyncio.timeout(10):
        await asyncio.gather(*serving)


def test_a_request_that_fails_on_its_verdict_keeps_no_verdict_from_the_others() -> None:
    async def test() -> None:
        reported = reports()
        async with redis_stand_in() as redis:
            counts = SharedCounts(redis, lambda away: None)
            before, bad, after, later = Answered(), Answered(raising=True), Answered(), Answered()
            for one in (before, bad, after):
                counts.ask(["bucket"], RATES, one)
            await until(lambda: after.verdicts)
            assert len(reported) == 1
            counts.ask(["bucket"], RATES, later)
            await until(lambda: later.verdicts)
            assert [one.verdicts for one in (before, bad, after, later)] == [[VERDICT]] * 4
            assert not counts.away
            counts.ask(["bucket"], RATES, bad)
            counts.ask(["bucket"], RATES, last := Answered())
            counts.close()
            assert last.verdicts == [None]
            assert len(reported) == 2

    run(test)


def test_a_malformed_reply_is_reported_and_redis_is_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_counts, "PROBE_INTERVAL", 0.01)

    async def test() -> None:
        reported = reports()
        changes: list[Trouble | None] = []
        async with redis_stand_in(b":1\r\n") as redis:
            counts = SharedCounts(redis, changes.append)
            first, second = Answered(), Answered()
            counts.ask(["bucket"], RATES, first)
            await until(lambda: changes == [NONSENSE, None])
            assert first.verdicts == [None]
            assert len(reported) == 1
            counts.ask(["bucket"], RATES, second)
            await until(lambda: second.verdicts)
            assert second.verdicts == [VERDICT]
            counts.close()

    run(test)


@pytest.mark.parametrize("after", ["none", "another"])
def test_requests_that_wait_for_a_redis_that_a_reload_removes_are_decided_here(tmp_path: Path, after: str) -> None:
    async def test() -> None:
        hanging = asyncio.Event()

        async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await hanging.wait()
            writer.close()

        def snapshot(redis: bool, number: int) -> Snapshot:
            line = f'redis: {{url: "redis://127.0.0.1:{port}/{number}", timeout: 5s, unavailable: refuse}}'
            (tmp_path / "gateway.yaml").write_text(CONFIGURATION % (line if redis else ""))
            return load(tmp_path / "gateway.yaml").snapshot

        server = await asyncio.start_server(hang, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        plane = Plane(snapshot(True, 0))
        for _ in range(2):
            # The first is being asked for when the second comes.
            plane.client().feed(GET)
            await asyncio.sleep(0.1)
        assert not plane.loop.connections
        plane.plane.apply(snapshot(after == "another", 1))
        await until(lambda: len(plane.busy()) == 2)
        plane.plane.rate_limiter.apply(None)
        hanging.set()
        server.close()
        await plane.settle()

    run(test)
