"""TLS between a socket and a connection of the proxy: TLS records on one side, plain bytes on the other.

Facts (RFC 8446 section 6.1, RFC 9112 section 9.8): close_notify ends one
direction and leaves the other open, so a TLS connection can be half-closed like
a plain one. An end without close_notify may be a truncation attack, so a
receiver that relies on the end to know that the data is complete gets an error.

This uses ssl.SSLObject instead of the event loop's own TLS, because uvloop loses
data that it has read if the peer closes while reading is paused, so that a slow
client would get a broken download. Here reading is paused at the socket, and
data that arrived before the end is delivered before the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

from strangler.proxy.http.socket_state import rest_of

READ = 262_144
NEVER = float("inf")


class TruncatedError(ConnectionError):
    """The peer ended the connection without close_notify."""


class TlsConnection(asyncio.Transport, asyncio.Protocol):
    """The protocol of a socket's transport, and itself the transport of `protocol`.

    `protocol` gets `connection_made` when the handshake has succeeded. `settled`
    is called once with the result of the handshake: None or the error; if the
    handshake fails, only `settled` is called. There is no timer here: `deadline`
    limits the handshake, and the caller enforces it. Without a `server_name` this
    is the server's side: a client that sends HTTP instead of a handshake gets
    `plain_answer`, unencrypted.
    """

    __slots__ = (
        "_closing",
        "_ended",
        "_error",
        "_established",
        "_incoming",
        "_outgoing",
        "_plain_answer",
        "_protocol",
        "_raw",
        "_server_side",
        "_settled",
        "_ssl",
        "_written_eof",
        "deadline",
    )

    def __init__(
        self,
        protocol: asyncio.Protocol,
        context: ssl.SSLContext,
        settled: Callable[[TlsConnection, Exception | None], None],
        *,
        server_name: str | None = None,
        plain_answer: Callable[[], bytes] | None = None,
    ) -> None:
        super().__init__()
        self.deadline = NEVER
        self._protocol = protocol
        self._settled = settled
        self._server_side = server_name is None
        self._plain_answer = plain_answer
        self._raw: asyncio.Transport = None  # type: ignore[assignment]
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._ssl = context.wrap_bio(self._incoming, self._outgoing, self._server_side, server_name)
        self._established = False
        self._ended = False
        self._closing = False
        self._written_eof = False
        self._error: Exception | None = None

    # Towards the socket: asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._raw = cast(asyncio.Transport, transport)
        if self._closing:
            self._raw.abort()
        else:
            self._shake_hands()

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        if self._established:
            self._incoming.write(data)
            self._read()
            return
        data = self.greeted(data)
        if data:
            self._incoming.write(data)
            if self._shake_hands():
                self._read()

    def greeted(self, data: bytes) -> bytes:
        """Return the handshake bytes to pass to OpenSSL; a subclass may inspect them first and hold them back."""
        return data

    def refuse(self, alert: bytes, reason: str) -> None:
        """End the handshake with the record `alert`; `reason` is in OpenSSL's words."""
        error = ssl.SSLError(ssl.SSL_ERROR_SSL, reason.lower().replace("_", " "))
        error.reason = reason
        self._raw.write(alert)
        self._fail(error)

    def eof_received(self) -> bool:
        # After close_notify the other direction may still be in use; without it, the data may be truncated.
        return self._ended and not self._closing

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._established:
            self._settle(self._error or exc or TruncatedError("the connection ended during the handshake"))
            return
        error = self._error or exc
        if exc is not None and not self._server_side and not self._closing:
            # An endpoint may have responded and ended before it had read the request: see UpstreamConnection.
            for data in rest_of(self._raw):
                self.data_received(data)
        if error is None and not self._ended and not self._closing:
            error = TruncatedError("the connection ended without close_notify")
        self._protocol.connection_lost(error)

    def pause_writing(self) -> None:
        if self._established:
            self._protocol.pause_writing()

    def resume_writing(self) -> None:
        if self._established:
            self._protocol.resume_writing()

    def _shake_hands(self) -> bool:
        """Continue the handshake; return whether the connection is established."""
        try:
            self._ssl.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return False
        except ssl.SSLError as error:
            if self._plain_answer is not None and error.reason == "HTTP_REQUEST":
                self._raw.write(self._plain_answer())
            self._fail(error)
            return False
        self._flush()
        self._established = True
        self._settle(None)
        self._protocol.connection_made(self)
        return True

    def _settle(self, error: Exception | None) -> None:
        self.deadline = NEVER
        self._settled(self, error)

    def _read(self) -> None:
        """Deliver all received data, then the end if it has arrived."""
        pieces: list[bytes] = []
        ended = False
        try:
            while self._incoming.pending or self._ssl.pending():
                piece = self._ssl.read(READ)
                if not piece:
                    ended = True
                    break
                pieces.append(piece)
        except ssl.SSLWantReadError:
            pass  # the record is incomplete
        except ssl.SSLZeroReturnError:
            ended = True
        except ssl.SSLError as error:
            self._error = error
        self._flush()
        if pieces:
            self._protocol.data_received(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        if self._closing:
            return
        if self._error is not None:
            self._fail(self._error)
        elif ended and not self._ended:
            self._ended = True
            if not self._protocol.eof_received():
                self.close()

    def _fail(self, error: Exception) -> None:
        """Close after a TLS protocol violation; the matching alert is sent."""
        self._error = error
        self._closing = True
        self._flush()
        self._raw.close()

    def _flush(self) -> None:
        data = self._outgoing.read()
        if data and not self._written_eof:
            self._raw.write(data)

    # Towards the connection: asyncio.Transport

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not data or self._closing:
            return
        try:
            sent = self._ssl.write(data)
            while sent < len(data):
                data = memoryview(data)[sent:]
                sent = self._ssl.write(data)
        except ssl.SSLError as error:
            self._fail(error)
            return
        self._flush()

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        if self._written_eof or self._closing:
            return
        self._notify_close()
        self._written_eof = True
        self._raw.write_eof()

    def _notify_close(self) -> None:
        # This sends close_notify; the peer's has not arrived, and need not be awaited (RFC 8446 section 6.1).
        with contextlib.suppress(ssl.SSLError):
            self._ssl.unwrap()
        self._flush()

    def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        if self._established and not self._written_eof:
            self._notify_close()
        self._raw.close()

    def abort(self) -> None:
        self._closing = True
        # A busy event loop creates the protocol long before its transport.
        if self._raw is not None:
            self._raw.abort()

    def is_closing(self) -> bool:
        return self._closing or self._raw.is_closing()

    def is_reading(self) -> bool:
        return self._raw.is_reading()

    def pause_reading(self) -> None:
        self._raw.pause_reading()

    def resume_reading(self) -> None:
        self._raw.resume_reading()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._raw.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        return self._raw.get_write_buffer_size()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._raw.get_write_buffer_limits()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = cast(asyncio.Protocol, protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._ssl if name == "ssl_object" else self._raw.get_extra_info(name, default)


Connection = TypeVar("Connection", bound=asyncio.Protocol)


async def connect(
    loop: asyncio.AbstractEventLoop,
    factory: Callable[[], Connection],
    to: tuple[str, int] | socket.socket,
    context: ssl.SSLContext,
    server_name: str,
) -> Connection:
    """Open a TLS connection to an endpoint that presents a valid certificate for `server_name`.

    `to` is a host and port, or a connected socket.

    Raises OSError (ssl.SSLError is a subclass) if no connection can be opened. If
    the caller cancels, the connection is closed.
    """
    protocol = factory()
    handshake: asyncio.Future[Exception | None] = loop.create_future()

    def settled(_: TlsConnection, error: Exception | None) -> None:
        if not handshake.done():
            handshake.set_result(error)

    def secured() -> TlsConnection:
        return TlsConnection(protocol, context, settled, server_name=server_name)

    if isinstance(to, tuple):
        transport, _ = await loop.create_connection(secured, *to)
    else:
        transport, _ = await loop.create_connection(secured, sock=to)
    try:
        error = await handshake
        if error is not None:
            raise error
    except BaseException:
        transport.abort()
        raise
    return protocol


def reason_of(error: Exception) -> str:
    """Return why a handshake failed, in OpenSSL's words; these are a fixed set and contain no input of the peer."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    return "the connection ended"
