"""TLS between a socket and a connection of the proxy: what one sees as TLS, the other sees as plain bytes.

Facts (RFC 8446 section 6.1, RFC 9112 section 9.8): close_notify ends one
direction and leaves the other open, so a connection over TLS can be half-closed
like one without; an end without close_notify may be the work of somebody on the
way, so whoever relies on the end to know that all has come gets an error.

This stands on ssl.SSLObject instead of the event loop's own TLS, because
uvloop loses what it has read when the peer ends while reading is paused, so
that a slow client would get a broken download. Here reading is paused at the
socket, and whatever came before the end is handed on before the end is.
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

    `protocol` hears of the connection when the handshake has succeeded; if it
    fails, `settled` alone hears of it, which is told once how the handshake
    ended: None or what went wrong. There is no timer: `deadline` is for the
    handshake, and kept by whoever starts it. A client that sends HTTP instead of
    a handshake gets `plain_answer`, as it is.
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
        server_side: bool,
        server_name: str | None = None,
        plain_answer: Callable[[], bytes] | None = None,
    ) -> None:
        super().__init__()
        self.deadline = NEVER
        self._protocol = protocol
        self._settled = settled
        self._server_side = server_side
        self._plain_answer = plain_answer
        self._raw: asyncio.Transport = None  # type: ignore[assignment]
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._ssl = context.wrap_bio(self._incoming, self._outgoing, server_side, server_name)
        self._established = False
        self._ended = False
        self._closing = False
        self._written_eof = False
        self._error: Exception | None = None

    # The socket's side: asyncio.Protocol

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
        """What OpenSSL gets of the bytes that come during the handshake; who looks at them first may hold them back."""
        return data

    def refuse(self, alert: bytes, reason: str) -> None:
        """End the handshake with a record of `alert`, for `reason` in OpenSSL's words."""
        error = ssl.SSLError(ssl.SSL_ERROR_SSL, reason.lower().replace("_", " "))
        error.reason = reason
        self._raw.write(alert)
        self._fail(error)

    def eof_received(self) -> bool:
        # After close_notify the other direction may still be in use; without it, nothing can be relied on.
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
        """Go on with the handshake; whether the connection is established."""
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
        """Hand on all that has come, then the end if it has come, too."""
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
            pass  # the rest of a record is still to come
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
        """End because of a violation of TLS; the alert that says so is sent."""
        self._error = error
        self._closing = True
        self._flush()
        self._raw.close()

    def _flush(self) -> None:
        data = self._outgoing.read()
        if data and not self._written_eof:
            self._raw.write(data)

    # The connection's side: asyncio.Transport

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
        # Sends the alert, then finds that the peer's has not come: nobody waits for it (RFC 8446 section 6.1).
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
        # A busy event loop makes the protocol long before it has a transport for it.
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
    host: str,
    port: int,
    context: ssl.SSLContext,
    server_name: str,
    connected: socket.socket | None = None,
) -> Connection:
    """A connection over TLS to an endpoint that has shown a certificate for `server_name`.

    It goes over the socket `connected` where that is given.

    Raises OSError (ssl.SSLError is one) where there is none to be had. A caller
    that waits no longer cancels, and nothing of the connection remains.
    """
    protocol = factory()
    handshake: asyncio.Future[Exception | None] = loop.create_future()

    def settled(_: TlsConnection, error: Exception | None) -> None:
        if not handshake.done():
            handshake.set_result(error)

    def secured() -> TlsConnection:
        return TlsConnection(protocol, context, settled, server_side=False, server_name=server_name)

    if connected is None:
        transport, _ = await loop.create_connection(secured, host, port)
    else:
        transport, _ = await loop.create_connection(secured, sock=connected)
    try:
        error = await handshake
        if error is not None:
            raise error
    except BaseException:
        transport.abort()
        raise
    return protocol


def reason_of(error: Exception) -> str:
    """Why a handshake failed, in OpenSSL's words; they are few, and hold nothing that a peer has sent."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    return "the connection ended"
