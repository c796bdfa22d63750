"""A reload with very many routes: a worker's clients do not wait for it, and nothing is left behind."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from strangler.config.load import load
from strangler.control import messages
from strangler.control.workers.large_messages import LARGE, LargeMessages
from strangler.model.snapshot import Snapshot
from strangler.pickle_stream import framed
from strangler.proxy.client.connection import ClientConnection
from strangler.proxy.plane import DataPlane
from strangler.proxy.upstream.connection import UpstreamConnection
from tests.proxy.in_process import Plane, run

ROUTES = 1500


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    file: Path = tmp_path_factory.mktemp("large") / "gateway.yaml"
    rest = "upstream: shop, timeouts: {total: 5s}"
    routes = "".join(
        f"  - {{name: r{number}, match: {{path: /a{number % 40}/b/{number}/**}}, {rest}}}\n" for number in range(ROUTES)
    )
    upstreams = 'upstreams: {shop: {endpoints: ["http://127.0.0.1:1"]}}\n'
    file.write_text(f"version: 1\naccess_log: {{enabled: false}}\n{upstreams}routes:\n{routes}")
    return load(file).snapshot


@pytest.fixture
def message(snapshot: Snapshot) -> Iterator[bytes]:
    yield framed(messages.Apply(snapshot))[4:]
    gc.unfreeze()
    assert gc.isenabled()


def test_the_event_loop_runs_while_a_large_snapshot_is_decoded(message: bytes) -> None:
    assert len(message) > LARGE

    async def test() -> None:
        turns = 0

        async def turn() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        turning = asyncio.create_task(turn())
        large = LargeMessages()
        await asyncio.sleep(0)
        before = turns
        found = await large.decode(message)
        assert turns - before > 3, "decoded at one go, there would be none"
        assert isinstance(found, messages.Prepared)
        assert found.derived.any_total
        assert not found.derived.rate_limited
        turning.cancel()
        large.resume_collector()

    run(test)


def test_the_collector_pauses_until_a_large_snapshot_is_frozen(message: bytes) -> None:
    async def test() -> None:
        large = LargeMessages()
        first = await large.decode(message)
        plane = DataPlane(first.snapshot, {}, print)
        large.resume_collector()
        held = [plane.snapshot]
        second = await large.decode(message)
        assert not gc.isenabled()
        plane.apply(second.snapshot, second.derived)
        await large.settle(plane, held)
        assert held == []
        assert gc.isenabled()
        assert gc.get_freeze_count() > ROUTES
        assert plane.snapshot is second.snapshot
        assert len(plane.snapshot.routes) == ROUTES
        assert plane.snapshot.index.find("", ["a7", "b", "7", "x"], lambda *_: True, None) is plane.snapshot.routes[7]
        plane.close()

    run(test)


def test_small_messages_are_decoded_at_once(snapshot: Snapshot) -> None:
    async def test() -> None:
        large = LargeMessages()
        assert await large.decode(framed(messages.Refetch("shop"))[4:]) == messages.Refetch("shop")
        assert gc.isenabled()

    run(test)


def test_ended_connections_leave_no_cycles(snapshot: Snapshot) -> None:
    """What is in a cycle when a large snapshot is settled would never be freed."""

    async def test() -> None:
        plane = Plane(snapshot)
        gc.collect()
        gc.disable()
        try:
            client = plane.client()
            client.feed(b"GET /a7/b/7/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            await plane.settle()
            (upstream,) = plane.busy()
            upstream.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
            await plane.settle()
            assert client.closed
            assert upstream.closed
            # Of the test itself.
            client.protocol = upstream.protocol = None  # type: ignore[assignment]
            plane.loop.connections.clear()
            del client, upstream
            left = [one for one in gc.get_objects() if isinstance(one, (ClientConnection, UpstreamConnection))]
            assert left == []
        finally:
            gc.enable()

    run(test)
