"""TLS between a socket and a connection: nothing lost, nothing taken for an end that is none."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
import trustme
import uvloop

from strangler.proxy.http.tls import TlsConnection, TruncatedError, connect

SIZE = 3_000_000


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def server_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


@pytest.fixture(scope="module")
def client_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    return context


@dataclass
class Recording(asyncio.Protocol):
    """Keeps what it hears; `slow` pauses after each read, `open` keeps the connection at its end."""

    slow: bool = False
    open: bool = False
    heard: bytearray = field(default_factory=bytearray)
    ended: bool = False
    lost: asyncio.Future[Exception | None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        assert not self.ended
        self.heard += data
        if self.slow:
            self.transport.pause_reading()
            asyncio.get_running_loop().call_later(0.005, self.transport.resume_reading)

    def eof_received(self) -> bool:
        self.ended = True
        return self.open

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(exc)


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    uvloop.run(asyncio.wait_for(test(), 30))  # type: ignore[arg-type]


def serve(context: ssl.SSLContext, script: Callable[[ssl.SSLSocket], None]) -> int:
    """The port at which one connection is met by `script`, in a thread."""
    listening = socket.create_server(("127.0.0.1", 0))

    def meet() -> None:
        with listening:
            connection, _ = listening.accept()
        connection.settimeout(20)
        try:
            wrapped = context.wrap_socket(connection, server_side=True)
        except OSError:
            connection.close()
            return
        script(wrapped)
        wrapped.close()

    threading.Thread(target=meet, daemon=True).start()
    return int(listening.getsockname()[1])


def notify_close(connection: ssl.SSLSocket) -> None:
    """Send close_notify without waiting for the other's."""
    connection.settimeout(0)
    with pytest.raises(ssl.SSLWantReadError):
        connection.unwrap()


def test_a_slow_reader_gets_all_that_came_before_the_end(
    server_context: ssl.SSLContext, client_context: ssl.SSLContext
) -> None:
    def script(connection: ssl.SSLSocket) -> None:
        connection.sendall(b"x" * SIZE)
        notify_close(connection)

    async def test() -> None:
        port = serve(server_context, script)
        loop = asyncio.get_running_loop()
        got = await connect(loop, lambda: Recording(slow=True), ("127.0.0.1", port), client_context, "localhost")
        assert await got.lost is None
        assert got.ended
        assert len(got.heard) == SIZE

    run(test)


def test_an_end_without_close_notify_is_an_error_behind_all_that_came(
    server_context: ssl.SSLContext, client_context: ssl.SSLContext
) -> None:
    async def test() -> None:
        port = serve(server_context, lambda connection: connection.sendall(b"x" * SIZE))
        loop = asyncio.get_running_loop()
        got = await connect(loop, lambda: Recording(slow=True), ("127.0.0.1", port), client_context, "localhost")
        assert isinstance(await got.lost, TruncatedError)
        assert not got.ended
        assert len(got.heard) == SIZE

    run(test)


def test_each_direction_ends_by_itself(server_context: ssl.SSLContext, client_context: ssl.SSLContext) -> None:
    async def test() -> None:
        loop = asyncio.get_running_loop()
        server = Recording(open=True)
        listening = await loop.create_server(
            lambda: TlsConnection(server, server_context, lambda *_: None), "127.0.0.1", 0
        )
        port = listening.sockets[0].getsockname()[1]
        client = await connect(loop, lambda: Recording(open=True), ("127.0.0.1", port), client_context, "localhost")
        client.transport.write(b"all that I say")
        client.transport.write_eof()
        while not server.ended:
            await asyncio.sleep(0.001)
        assert server.heard == b"all that I say"
        server.transport.write(b"y" * SIZE)
        server.transport.write_eof()
        while not client.ended:
            await asyncio.sleep(0.001)
        assert client.heard == b"y" * SIZE
        for end in (client, server):
            end.transport.close()
            assert await end.lost is None
        listening.close()

    run(test)


@pytest.mark.parametrize("name", ["localhost", "other.example"])
def test_a_handshake_that_fails_is_an_error_for_who_connects(server_context: ssl.SSLContext, name: str) -> None:
    stranger = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trustme.CA().configure_trust(stranger)

    async def test() -> None:
        port = serve(server_context, lambda connection: None)
        with pytest.raises(ssl.SSLCertVerificationError):
            await connect(asyncio.get_running_loop(), Recording, ("127.0.0.1", port), stranger, name)

    run(test)


def test_something_that_is_not_tls_is_an_error_for_who_connects(client_context: ssl.SSLContext) -> None:
    async def test() -> None:
        listening = socket.create_server(("127.0.0.1", 0))

        def meet() -> None:
            connection, _ = listening.accept()
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            connection.close()

        threading.Thread(target=meet, daemon=True).start()
        with pytest.raises(OSError, match=r"WRONG_VERSION_NUMBER|wrong version|record"):
            await connect(
                asyncio.get_running_loop(),
                Recording,
                ("127.0.0.1", listening.getsockname()[1]),
                client_context,
                "localhost",
            )
        listening.close()

    run(test)


class Transport(asyncio.Transport):
    """A transport that only counts how often it is aborted."""

    aborted = 0

    def abort(self) -> None:
        self.aborted += 1

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("192.0.2.7", 4711) if name == "peername" else default


def test_a_handshake_that_is_aborted_before_it_has_a_transport_ends_with_it(server_context: ssl.SSLContext) -> None:
    async def test() -> None:
        failures: list[Exception | None] = []
        connection = TlsConnection(Recording(), server_context, lambda _, error: failures.append(error))
        connection.abort()
        transport = Transport()
        connection.connection_made(transport)
        assert transport.aborted == 1
        connection.connection_lost(None)
        assert len(failures) == 1

    run(test)
