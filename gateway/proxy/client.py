"""One client's connection: reads requests, checks what the parser leaves to us, answers in order.

Facts (RFC 9112): exactly one Host in HTTP/1.1 (section 3.2); a message with
both Content-Length and Transfer-Encoding, several lengths or a coding other
than chunked is ambiguous and refused (section 6); responses go out in the order
of the requests (section 9.3.2), so a pipelined request waits, and nothing more
is read while one waits.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, cast

import httptools

from gateway.proxy.exchange import Exchange
from gateway.proxy.headers import (
    REQUEST_ACTIONS,
    Action,
    connection_options,
    is_host,
    is_request_id,
    is_traceparent,
)
from gateway.proxy.problems import problem
from gateway.routing.decide import Refusal
from gateway.routing.request import Request

if TYPE_CHECKING:
    from gateway.proxy.plane import DataPlane

NEVER = float("inf")
DISCARDED_BODY = 262_144
LINGER = 2.0
WRITE_BUFFER = 262_144

_DIGITS = frozenset(b"0123456789")
_KNOWN_HOSTS: dict[bytes, str] = {}
_KNOWN_HOSTS_LIMIT = 1024


class _Refused(Exception):
    """Raised from a parser callback: the request is answered with a problem and the connection closed."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.refusal = Refusal(status, detail)


class ClientConnection(asyncio.Protocol):
    """Reads requests from one client and hands each to an Exchange."""

    __slots__ = (
        "_authorization",
        "_chunked",
        "_closing",
        "_connection",
        "_content_length",
        "_discarded",
        "_expect",
        "_forwarded_fields",
        "_has_trace",
        "_head",
        "_head_bytes",
        "_headers",
        "_host",
        "_in_head",
        "_parser",
        "_reading",
        "_receiving",
        "_request_id",
        "_transfer_encoding",
        "_upgrade",
        "_url",
        "_waiting",
        "deadline",
        "exchange",
        "forwarded",
        "peer",
        "plane",
        "transport",
        "trusted",
    )

    def __init__(self, plane: DataPlane) -> None:
        self.plane = plane
        self.transport: asyncio.Transport = None  # type: ignore[assignment]
        self.exchange: Exchange | None = None
        self.peer = ""
        self.trusted = False
        self.forwarded = b""
        self.deadline = NEVER
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[Exchange] = deque()
        self._receiving: Exchange | None = None
        self._reading = True
        self._closing = False
        self._discarded = 0
        self._in_head = False
        self._url = b""

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        plane = self.plane
        self.transport.set_write_buffer_limits(WRITE_BUFFER)
        name = transport.get_extra_info("peername")
        self.peer = name[0] if name else ""
        self.trusted = plane.is_trusted(self.peer)
        if not self.trusted:
            self.forwarded = b"X-Forwarded-For: %b\r\nX-Forwarded-Proto: http\r\n" % self.peer.encode()
        plane.clients.add(self)
        self.deadline = plane.now + plane.snapshot.limits.header_timeout
        if len(plane.clients) > plane.snapshot.limits.connections:
            self._refuse(Refusal(503, "The gateway has too many connections."))

    def connection_lost(self, exc: Exception | None) -> None:
        self.plane.clients.discard(self)
        self._closing = True
        self.deadline = NEVER
        exchange = self.exchange
        self.exchange = None
        if exchange is not None:
            exchange.client_gone()
        for waiting in self._waiting:
            waiting.done = True
        self._waiting.clear()
        self.plane.client_closed()

    def data_received(self, data: bytes) -> None:
        if self._closing:
            self._discard(len(data))
            return
        if self.deadline == NEVER:
            self.deadline = self.plane.now + self.plane.snapshot.limits.header_timeout
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if not self._closing:
                rest = data[upgrade.args[0] :]
                if rest:
                    self.data_received(rest)
            return
        except httptools.HttpParserError as error:
            if self._closing:
                return
            cause = error.__context__
            if isinstance(cause, _Refused):
                self._refuse(cause.refusal)
            elif isinstance(error, httptools.HttpParserCallbackError) and cause is not None:
                raise cause from None
            else:
                self._refuse(Refusal(400, f"The request is malformed: {error}."))
        if self._in_head and self._head_bytes + len(self._url) > self.plane.snapshot.limits.header_bytes * 2:
            self._refuse(Refusal(431, "The request's header fields are too large."))

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        exchange = self.exchange
        if exchange is not None and exchange.connection is not None:
            exchange.connection.transport.pause_reading()

    def resume_writing(self) -> None:
        exchange = self.exchange
        if exchange is not None and exchange.connection is not None:
            exchange.connection.transport.resume_reading()
            self.deadline = self.plane.now + exchange.connection.pool.upstream.timeouts.idle

    # Flow

    def pause_reading(self) -> None:
        """Stop reading from the client: somebody further on can't take more."""
        if self._reading and not self.transport.is_closing():
            self._reading = False
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Read from the client again, unless a pipelined request waits for its turn."""
        if not self._reading and not self._waiting and not self.transport.is_closing():
            self._reading = True
            self.transport.resume_reading()

    # httptools callbacks

    def on_message_begin(self) -> None:
        self._in_head = True
        self._url = b""
        self._head: list[bytes] = []
        self._headers: list[tuple[bytes, bytes]] = []
        self._head_bytes = 0
        self._host: bytes | None = None
        self._content_length: bytes | None = None
        self._transfer_encoding: bytes | None = None
        self._connection: bytes | None = None
        self._expect: bytes | None = None
        self._upgrade = False
        self._request_id: bytes | None = None
        self._has_trace = False
        self._authorization: list[int] = []

    def on_url(self, url: bytes) -> None:
        self._url += url
        if len(self._url) > self.plane.snapshot.limits.target_bytes:
            raise _Refused(414, "The request target is too long.")

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            return
        self._head_bytes += len(name) + len(value)
        self._headers.append((name, value))
        action = REQUEST_ACTIONS[name]
        if not action:
            self._head += (name, b": ", value, b"\r\n")
        else:
            self._special(action, name, value)

    def _special(self, action: int, name: bytes, value: bytes) -> None:
        if action == Action.HOST:
            if self._host is not None:
                raise _Refused(400, "The request has more than one Host field.")
            self._host = value
            self._head += (name, b": ", value, b"\r\n")
        elif action == Action.AUTHORIZATION:
            self._authorization.append(len(self._head) + 2)
            self._head += (name, b": ", value, b"\r\n")
        elif action == Action.CONTENT_LENGTH:
            if self._content_length is not None:
                raise _Refused(400, "The request has more than one Content-Length field.")
            if not value or not _DIGITS.issuperset(value):
                raise _Refused(400, "Content-Length is not a number.")
            self._content_length = value
        elif action == Action.TRANSFER_ENCODING:
            if self._transfer_encoding is not None or value.lower() != b"chunked":
                raise _Refused(400, "The only transfer coding understood is chunked, once.")
            self._transfer_encoding = value
        elif action == Action.CONNECTION:
            known = self._connection
            self._connection = value if known is None else known + b"," + value
        elif action == Action.REQUEST_ID:
            if self._request_id is None and is_request_id(value):
                self._request_id = value
                self._head += (name, b": ", value, b"\r\n")
        elif action == Action.TRACEPARENT:
            if not self._has_trace and is_traceparent(value):
                self._has_trace = True
                self._head += (name, b": ", value, b"\r\n")
        elif action == Action.FORWARDED:
            if self.trusted:
                self._head += (name, b": ", value, b"\r\n")
        elif action == Action.EXPECT:
            self._expect = value
            self._head += (name, b": ", value, b"\r\n")
        elif action == Action.UPGRADE:
            self._upgrade = True

    def on_headers_complete(self) -> None:
        self._in_head = False
        limits = self.plane.snapshot.limits
        if self._head_bytes > limits.header_bytes or len(self._headers) > limits.header_count:
            raise _Refused(431, "The request's header fields are too large or too many.")
        parser = self._parser
        method = parser.get_method().decode()
        keep_alive = parser.should_keep_alive()
        minor = 1
        if self._connection is not None or not keep_alive:
            version = parser.get_http_version()
            if version == "1.0":
                minor = 0
            elif version != "1.1":
                raise _Refused(505, f"HTTP/{version} is not spoken here; use HTTP/1.1.")
        if self._connection is not None:
            named = connection_options(self._connection) - {b"close", b"keep-alive", b"upgrade"}
            if named:
                self._strip(named)
        if method == "CONNECT":
            raise _Refused(405, "CONNECT is not allowed here.")
        chunked = self._transfer_encoding is not None
        if chunked and (self._content_length is not None or minor == 0):
            raise _Refused(400, "Transfer-Encoding is combined with Content-Length or HTTP/1.0.")
        if self._upgrade and (chunked or self._content_length is not None):
            raise _Refused(400, "A request that asks for an upgrade must not have a body.")
        if self._expect is not None:
            self._check_expect(minor)
        target, path, query = self._target(method)
        host = self._checked_host(minor)
        exchange = Exchange(
            self,
            Request(method, path, query, host, self._headers, self.peer),
            target,
            self._head,
            self._request_id,
            self._has_trace,
            self._authorization,
            self._content_length,
            chunked,
            keep_alive,
            minor,
        )
        self._receiving = exchange
        if self.exchange is None:
            self.exchange = exchange
            exchange.start()
        else:
            self._waiting.append(exchange)
            self.pause_reading()

    def on_body(self, body: bytes) -> None:
        receiving = self._receiving
        if receiving is None or receiving.done:
            self._discard(len(body))
        else:
            receiving.request_body(body)

    def on_message_complete(self) -> None:
        receiving = self._receiving
        if receiving is None:
            return
        self._receiving = None
        if not receiving.done:
            receiving.request_ended()
        elif not self._closing and self.exchange is None:
            self._next()

    # Checks

    def _strip(self, named: set[bytes]) -> None:
        """Remove what Connection names; the gateway's own fields are added later and can't be named away."""
        if b"host" in named or b"authorization" in named:
            raise _Refused(400, "Connection names a field that concerns more than this connection.")
        head = self._head
        kept: list[bytes] = []
        places = []
        for start in range(0, len(head), 4):
            name = head[start].lower()
            if name in named:
                if name == b"x-request-id":
                    self._request_id = None
                elif name == b"traceparent":
                    self._has_trace = False
                continue
            if start + 2 in self._authorization:
                places.append(len(kept) + 2)
            kept += head[start : start + 4]
        self._head = kept
        self._authorization = places
        self._headers = [(name, value) for name, value in self._headers if name.lower() not in named]

    def _check_expect(self, minor: int) -> None:
        assert self._expect is not None
        if self._expect.lower() != b"100-continue":
            raise _Refused(417, "The only expectation understood is 100-continue.")
        if minor == 0:
            self._strip({b"expect"})

    def _target(self, method: str) -> tuple[bytes, str, str]:
        """The target to send on, and its path and query for routing."""
        url = self._url
        if not url.startswith(b"/"):
            if url == b"*" and method == "OPTIONS":
                return url, "*", ""
            url = self._from_absolute(url)
        if b"#" in url:
            raise _Refused(400, "A request target has no fragment.")
        try:
            path, _, query = url.decode("ascii").partition("?")
        except UnicodeDecodeError:
            raise _Refused(400, "The request target is not ASCII.") from None
        return url, path, query

    def _from_absolute(self, url: bytes) -> bytes:
        """The origin form of an absolute target; its authority must agree with Host (RFC 9112 section 3.2.2)."""
        scheme, separator, rest = url.partition(b"://")
        if not separator or scheme.lower() not in (b"http", b"https"):
            raise _Refused(400, "The request target is neither a path nor an http URL.")
        end = min((place for place in (rest.find(b"/"), rest.find(b"?")) if place >= 0), default=len(rest))
        authority = rest[:end]
        if self._host is not None and authority.lower() != self._host.lower():
            raise _Refused(400, "The request target and Host name different authorities.")
        path = rest[end:]
        return path if path.startswith(b"/") else b"/" + path

    def _checked_host(self, minor: int) -> str:
        value = self._host
        if value is None:
            if minor == 0:
                return ""
            raise _Refused(400, "The request has no Host field.")
        host = _KNOWN_HOSTS.get(value)
        if host is None:
            if not is_host(value):
                raise _Refused(400, "Host is not a name or address.")
            host = value.decode("ascii")
            if len(_KNOWN_HOSTS) < _KNOWN_HOSTS_LIMIT:
                _KNOWN_HOSTS[value] = host
        return host

    # Endings

    def exchange_finished(self, exchange: Exchange) -> None:
        """An exchange was answered to its end: go on with the next request, or close."""
        self.exchange = None
        if not exchange.keep_alive:
            self._close_after(exchange)
        elif exchange.request_complete:
            self._next()
        else:
            # The answer came before the request ended; read what is left of it, within bounds.
            self.deadline = self.plane.now + LINGER
            self._discarded = 0
            self.resume_reading()

    def _next(self) -> None:
        if self._waiting:
            exchange = self._waiting.popleft()
            self.exchange = exchange
            exchange.start()
            if self.exchange is None or not self._waiting:
                self.resume_reading()
            return
        self.deadline = self.plane.now + self.plane.snapshot.limits.keep_alive
        self.resume_reading()
        if self.plane.draining:
            self.close()

    def _close_after(self, exchange: Exchange) -> None:
        """Close once what was written is out, and let an unread request body run out first.

        Closing with unread input makes the kernel send a reset, which may
        destroy the answer before the client has read it (RFC 9112 section 9.6).
        """
        self._closing = True
        for waiting in self._waiting:
            waiting.done = True
        self._waiting.clear()
        if exchange.request_complete:
            self.close()
            return
        self._discarded = 0
        self.deadline = self.plane.now + LINGER
        self.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()

    def _discard(self, count: int) -> None:
        self._discarded += count
        if self._discarded > DISCARDED_BODY:
            self.close()

    def _refuse(self, refusal: Refusal) -> None:
        """Answer a request that never became an exchange, after those before it, and close."""
        if self.exchange is not None:
            # Earlier requests are answered in order; what follows them is not trusted.
            self.exchange.keep_alive = False
            if self._receiving is self.exchange:
                self.exchange.upstream_failed(refusal.status, refusal.detail)
            self._closing = True
            self.pause_reading()
            return
        self._closing = True
        request_id = self._request_id if getattr(self, "_request_id", None) else None
        plane = self.plane
        plane.counters.request(("", "", "", refusal.status), 0.0, 0)
        plane.counters.event("refused_requests", str(refusal.status))
        self.transport.write(problem(refusal, request_id or plane.new_request_id(), close=True))
        self._discarded = 0
        self.deadline = plane.now + LINGER
        if self.transport.can_write_eof():
            self.transport.write_eof()

    def close(self) -> None:
        """Close after what was written is out."""
        self.transport.close()

    def break_off(self) -> None:
        """End a response that can't be completed so that the client sees it is broken."""
        self.exchange = None
        self._closing = True
        self.transport.abort()

    def expired(self) -> None:
        """The connection's deadline passed."""
        exchange = self.exchange
        if exchange is not None:
            self.deadline = NEVER
            exchange.expired()
        elif self._in_head and not self._closing:
            self._in_head = False
            self._refuse(Refusal(408, "The request's head took too long."))
        elif self._closing:
            self.transport.abort()
        else:
            self.close()
