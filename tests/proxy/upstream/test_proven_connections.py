"""Which connection a request gets that can't be repeated: a fresh one, or one that has proven to stay open."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from strangler.config.load import load
from strangler.model.snapshot import Snapshot
from strangler.proxy.upstream.connection import UpstreamConnection
from strangler.proxy.upstream.endpoint_pool import LARGE_BODY, SETTLING, SETTLING_AFTER_BODY
from tests.proxy.in_process import Plane, Transport, run, transport_of

GET = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
UNREPEATABLE = [
    b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
    b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    b"GET /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
    b"DELETE /x HTTP/1.1\r\nHost: a\r\n\r\n",
]


@pytest.fixture(scope="module")
def snapshot_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Snapshot]:
    """A snapshot with one upstream of so many connections, for which so many requests may wait."""

    def made(connections: int, queue: int = 9) -> Snapshot:
        path: Path = tmp_path_factory.mktemp("proven") / "gateway.yaml"
        path.write_text(
            "version: 1\n"
            f'upstreams: {{legacy: {{endpoints: "http://127.0.0.1:1", connections: {connections}, queue: {queue}}}}}\n'
            "default: legacy\naccess_log: {enabled: false}\n"
        )
        return load(path).snapshot

    return made


class Clocked(Plane):
    """A plane whose time stands still until a test moves it."""

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__(snapshot)
        self.time = self.plane.loop.time()
        self.loop.time = lambda: self.time  # type: ignore[attr-defined]

    async def exchange(self, client: Transport, request: bytes) -> Transport:
        """Send `request` and respond to it; the upstream connection that it took."""
        client.feed(request)
        await self.settle()
        (taken,) = self.busy()
        taken.feed(OK)
        assert b" 200 OK" in client.take()
        return taken


@pytest.mark.parametrize("request_", UNREPEATABLE)
def test_a_connection_that_just_came_back_is_only_for_a_request_that_can_be_repeated(
    snapshot_of: Callable[..., Snapshot], request_: bytes
) -> None:
    async def test() -> None:
        plane = Clocked(snapshot_of(4))
        client = plane.client()
        first = await plane.exchange(client, GET)
        assert await plane.exchange(client, GET) is first
        second = await plane.exchange(client, request_)
        assert second is not first
        plane.time += 2 * SETTLING
        assert await plane.exchange(client, request_) in (first, second)

    run(test)


def test_after_a_large_body_a_connection_has_to_be_idle_for_longer(snapshot_of: Callable[..., Snapshot]) -> None:
    async def test() -> None:
        plane = Clocked(snapshot_of(4))
        client = plane.client()
        large = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % LARGE_BODY + b"x" * LARGE_BODY
        first = await plane.exchange(client, large)
        plane.time += SETTLING
        assert await plane.exchange(client, UNREPEATABLE[0]) is not first
        plane.plane.pools["legacy"].endpoints[0].idle.pop()
        plane.time += 2 * SETTLING_AFTER_BODY
        assert await plane.exchange(client, UNREPEATABLE[0]) is first

    run(test)


def test_where_no_more_connections_may_be_open_an_idle_one_makes_room_for_a_fresh_one(
    snapshot_of: Callable[..., Snapshot],
) -> None:
    async def test() -> None:
        plane = Clocked(snapshot_of(1, queue=0))
        client = plane.client()
        first = await plane.exchange(client, GET)
        second = await plane.exchange(client, UNREPEATABLE[0])
        assert second is not first
        assert first.aborted
        assert plane.plane.pools["legacy"].endpoints[0].open == 1

    run(test)


def test_a_request_that_waits_is_not_given_a_connection_that_just_came_back(
    snapshot_of: Callable[..., Snapshot],
) -> None:
    async def test() -> None:
        plane = Clocked(snapshot_of(1))
        first, second = plane.client(), plane.client()
        first.feed(GET)
        await plane.settle()
        (taken,) = plane.busy()
        second.feed(UNREPEATABLE[0])
        taken.feed(OK)
        await plane.settle()
        (fresh,) = plane.busy()
        assert fresh is not taken
        fresh.feed(OK)
        assert b" 200 OK" in second.take()

    run(test)


def test_a_connection_whose_end_has_arrived_is_not_used(snapshot_of: Callable[..., Snapshot]) -> None:
    async def test() -> None:
        plane = Clocked(snapshot_of(4))
        client = plane.client()
        first = await plane.exchange(client, GET)
        ours, theirs = socket.socketpair()
        with ours:
            first.get_extra_info = lambda name, default=None: ours if name == "socket" else default  # type: ignore[method-assign]
            plane.time += 2 * SETTLING
            assert await plane.exchange(client, UNREPEATABLE[0]) is first
            plane.time += 2 * SETTLING
            theirs.close()
            assert await plane.exchange(client, UNREPEATABLE[0]) is not first

    run(test)


@pytest.mark.parametrize("received", [OK, OK[:-1]], ids=["whole", "cut short"])
def test_what_was_received_before_a_write_failed_is_passed_on(
    snapshot_of: Callable[..., Snapshot], received: bytes
) -> None:
    async def test() -> None:
        plane = Clocked(snapshot_of(4))
        client = plane.client()
        client.feed(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx")
        await plane.settle()
        (upstream,) = plane.busy()
        connection: UpstreamConnection = next(one for one in plane.loop.connections if transport_of(one) is upstream)
        ours, theirs = socket.socketpair()
        with ours:
            ours.setblocking(False)

            def info(name: str, default: Any = None) -> Any:
                return ours if name == "socket" else default

            upstream.get_extra_info = info  # type: ignore[method-assign]
            theirs.sendall(received)
            theirs.close()
            upstream.closed = True
            connection.connection_lost(BrokenPipeError())
        got = client.take()
        assert got.startswith(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n")
        assert got.endswith(received[-2:])
        await asyncio.sleep(0)
        assert plane.plane.pools["legacy"].endpoints[0].open == 0
        assert not plane.plane.pools["legacy"].endpoints[0].idle

    run(test)
