"""A data plane whose sockets are in memory: a test plays the client and the upstream, byte by byte, read by read.

What a socket hides (where one read ends, when a buffer is full) is in the
test's hands here, and a thousand exchanges take a second.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, cast

from strangler.auth.keys import KeySet
from strangler.model.snapshot import Snapshot
from strangler.proxy.client.connection import ClientConnection
from strangler.proxy.plane import DataPlane
from strangler.proxy.upstream.connection import UpstreamConnection

_planes: list[DataPlane] = []
"""Those of the test that `run` runs; other tests close theirs themselves."""


class Transport(asyncio.Transport):
    """Collects what is written in `written`.

    Once `stuck`, nobody takes what is written: the protocol is told to pause at
    the high mark, and to go on when `drain` empties the buffer.
    """

    def __init__(self, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self.protocol = protocol
        self.written = bytearray()
        self.closed = False
        self.aborted = False
        self.reading = True
        self.stuck = False
        self.unsent = 0
        self.high = 65_536
        self.paused = False
        self.ended = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("192.0.2.7", 1234) if name == "peername" else default

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert high is not None
        self.high = high

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.ended, "written after the end"
        if self.closed:
            return
        self.written += data
        if self.stuck:
            self.unsent += len(data)
            if self.unsent > self.high and not self.paused:
                self.paused = True
                self.protocol.pause_writing()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = cast(asyncio.Protocol, protocol)

    def drain(self) -> None:
        """The other side has read all of it."""
        self.unsent = 0
        if self.paused:
            self.paused = False
            self.protocol.resume_writing()

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    def abort(self) -> None:
        self.aborted = True
        self.close()

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_reading(self) -> bool:
        return self.reading and not self.closed

    def feed(self, data: bytes) -> None:
        """One read of the protocol's."""
        assert self.reading, "the protocol does not read"
        if not self.closed:
            self.protocol.data_received(data)

    def take(self) -> bytes:
        """What was written since the last call."""
        taken = bytes(self.written)
        self.written.clear()
        return taken


class Loop:
    """The running loop, but connections are made in memory; `connections` are all that were made.

    Its `time` stands still, where that is set.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.connections: list[UpstreamConnection] = []
        self.still: float | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    def time(self) -> float:
        """The loop's time, by which connections prove to stay open."""
        return self._loop.time() if self.still is None else self.still

    async def getaddrinfo(self, host: str, port: int, **_: Any) -> list[Any]:
        """Every name has one address."""
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", port))]

    async def create_connection(
        self, factory: Callable[[], UpstreamConnection], host: str, port: int
    ) -> tuple[Transport, UpstreamConnection]:
        """A connection to nobody."""
        connection = factory()
        transport = Transport(connection)
        connection.connection_made(transport)
        self.connections.append(connection)
        return transport, connection


class Plane:
    """A data plane, its clients and its upstream connections."""

    def __init__(self, snapshot: Snapshot, keys: dict[str, KeySet | None] | None = None) -> None:
        self.refetches: list[str] = []
        self.plane = DataPlane(snapshot, keys or {}, self.refetches.append)
        self.loop = Loop(asyncio.get_running_loop())
        self.plane.loop = cast(asyncio.AbstractEventLoop, self.loop)
        _planes.append(self.plane)

    def client(self) -> Transport:
        """A new client's connection."""
        connection = ClientConnection(self.plane)
        transport = Transport(connection)
        connection.connection_made(transport)
        return transport

    async def settle(self) -> None:
        """Let everything happen that waits for nothing outside."""
        for _ in range(4):
            await asyncio.sleep(0)

    def busy(self) -> list[Transport]:
        """The upstream connections with an exchange."""
        return [transport_of(connection) for connection in self.loop.connections if connection.exchange is not None]


def transport_of(connection: UpstreamConnection) -> Transport:
    """The transport of an upstream connection."""
    return cast(Transport, connection.transport)


def run(test: Callable[[], Awaitable[None]]) -> None:
    """Run a test that needs a loop; what a callback raises fails it."""
    raised: list[dict[str, Any]] = []
    _planes.clear()

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: raised.append(context))
        await test()

    try:
        asyncio.run(cast(Coroutine[Any, Any, None], main()))
    finally:
        # Descriptors, which the garbage collector would hold by the thousand.
        while _planes:
            _planes.pop().rate_limiter.close()
    assert not raised, raised
