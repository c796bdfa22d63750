"""One connection to an endpoint: sends a request, reads the response, and is reused if both ended cleanly.

Facts (RFC 9112 section 6.3): a response to HEAD and any 1xx, 204 or 304 has no
body, regardless of its fields; otherwise `Transfer-Encoding: chunked` frames it,
else Content-Length, else the end of the connection. A response with both, with
several lengths or with another transfer coding is ambiguous: the client gets
502, and the connection is not reused. A response without Date gets one (RFC 9110
section 6.6.1).
"""

from __future__ import annotations

import asyncio
import select
from typing import TYPE_CHECKING, Protocol, cast

import httptools

from strangler.proxy.http import field_actions as actions
from strangler.proxy.http.headers import RESPONSE_ACTIONS, connection_options
from strangler.proxy.http.socket_state import arrivals, rest_of
from strangler.proxy.http.status_lines import status_line
from strangler.proxy.http.tls import TruncatedError
from strangler.proxy.upstream.framing import BadResponse, check_framing, check_switch
from strangler.proxy.upstream.plain_response import plain_response

if TYPE_CHECKING:
    from strangler.model.upstream import Upstream
    from strangler.proxy.upstream.worker import RequestSource
    from strangler.resilience.retry import Cause

LARGEST_HEAD = 262_144
_LENGTH = frozenset({b"content-length"})
_ABOUT_OTHER_THAN_FIELDS = frozenset({b"close", b"keep-alive", b"content-length"})
"""Connection options that remove no field: two concern the connection, and Content-Length is needed."""


class ConnectionPool(Protocol):
    """The part of its pool that a connection depends on."""

    @property
    def upstream(self) -> Upstream: ...

    @property
    def url(self) -> str: ...

    @property
    def date_line(self) -> bytes: ...

    @property
    def takes_plain(self) -> bool: ...

    def release(self, connection: UpstreamConnection) -> None: ...

    def lost(self, connection: UpstreamConnection) -> None: ...


class Requesting(Protocol):
    """Has sent one request over a connection and receives its response; the methods are those of Exchange."""

    response_started: bool

    @property
    def method(self) -> str: ...

    @property
    def request_complete(self) -> bool: ...

    @property
    def client(self) -> RequestSource: ...

    def interim_response(self, status: int, line: bytes, fields: bytes) -> None: ...

    def switch_protocols(
        self, connection: UpstreamConnection, line: bytes, fields: bytes, upgrade: bytes, early: bytes
    ) -> bool: ...

    def whole_response(self, status: int, line: bytes, fields: bytes, body: bytes) -> None: ...

    def response_head(self, status: int, line: bytes, fields: bytes, delimited: bool) -> None: ...

    def response_body(self, body: bytes) -> None: ...

    def flush(self) -> None:
        """Forward the output of one parsed piece of input, with which the response is not complete."""

    def response_complete(self) -> None: ...

    def upstream_lost(self) -> None: ...

    def upstream_failed(self, cause: Cause, status: int, detail: str, *, blame: bool = True) -> None: ...


class UpstreamConnection:
    """A kept-alive HTTP/1.1 connection to one endpoint, with one exchange at a time.

    It is `answering` once a byte of a response, even an interim one, has arrived,
    and `truncated` if TLS ended without close_notify. `released_at` is when it
    became idle, or a later time if it has just `carried_body`, a large one (see
    `endpoint_pool`).
    """

    __slots__ = (
        "_arrivals",
        "_complete",
        "_connection",
        "_content_length",
        "_dated",
        "_head_bytes",
        "_in_body",
        "_interim",
        "_left",
        "_length_fields",
        "_lines",
        "_parser",
        "_phrase",
        "_transfer_encoding",
        "_upgrade",
        "answering",
        "carried_body",
        "exchange",
        "paused",
        "pool",
        "released_at",
        "reusable",
        "transport",
        "truncated",
        "until_close",
        "used",
    )

    def __init__(self, pool: ConnectionPool) -> None:
        self.pool = pool
        self.transport: asyncio.Transport = None  # type: ignore[assignment]
        self.exchange: Requesting | None = None
        self.used = False
        self.reusable = True
        self.paused = False
        self.truncated = False
        self.released_at = 0.0
        self.carried_body = False
        self._arrivals: select.poll | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._begin()

    def _new_parser(self) -> httptools.HttpResponseParser:
        self._parser = parser = httptools.HttpResponseParser(self)
        if self.pool.upstream.bare_lf:
            parser.set_dangerous_leniencies(lenient_optional_cr_before_lf=True)
        return parser

    def _begin(self) -> None:
        self._lines: list[bytes] = []
        self._phrase = b""
        self._connection: bytes | None = None
        self._dated = False
        self._content_length: bytes | None = None
        self._length_fields = 0
        self._transfer_encoding: bytes | None = None
        self._upgrade: bytes | None = None
        self._head_bytes = 0
        # Bytes to come of a body that the parser does not see.
        self._left = 0
        self._interim = False
        self._in_body = False
        self._complete = False
        self.answering = False
        self.until_close = False

    def __repr__(self) -> str:
        stands = "idle" if self.exchange is None else "busy"
        used = " used" if self.used else ""
        return f"<UpstreamConnection {self.pool.url} {stands}{used}{'' if self.reusable else ' last'}>"

    # Called by the event loop: asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        exchange = self.exchange
        if exchange is None:
            # No request was sent, so these bytes can't be trusted to be a response.
            self.reusable = False
            self.transport.abort()
            return
        if self._left:
            self._read_body(exchange, data)
            return
        if not self.answering and self.pool.takes_plain and self._read_plain(exchange, data):
            return
        if not self.answering and not data.startswith(b"H"):
            # The parser accepts the names of some other protocols as HTTP.
            self._malformed(exchange, False, BadResponse("it does not begin with HTTP"))
            return
        self.answering = True
        begun = exchange.response_started
        malformed: Exception | None = None
        self._head_bytes += len(data)
        try:
            (self._parser or self._new_parser()).feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            assert self._upgrade is not None
            line, fields, early = status_line(101, self._phrase), b"".join(self._lines), data[upgrade.args[0] :]
            if not exchange.switch_protocols(self, line, fields, self._upgrade, early):
                self._malformed(exchange, begun, BadResponse("it switches protocols without an Upgrade request"))
            return
        except httptools.HttpParserError as error:
            self.reusable = False
            # Bytes after a complete response belong to no request, and don't make the response malformed.
            if not self._complete:
                malformed = error.__context__ if isinstance(error.__context__, BadResponse) else error
        if self.exchange is not exchange:
            if self.exchange is None:
                # The exchange has moved on to another connection.
                return
            # A hedge has won, and the response belongs to its exchange.
            exchange = self.exchange
        if malformed is not None:
            self._malformed(exchange, begun, malformed)
            return
        if self._head_bytes > LARGEST_HEAD and not self._complete:
            # A head, chunk extensions or trailers: the parser would buffer them without limit.
            self._malformed(exchange, begun, BadResponse("its head is too large"))
            return
        if self._complete:
            self._finish(exchange)
        else:
            exchange.flush()

    def _read_plain(self, exchange: Requesting, data: bytes) -> bool:
        """Take the response that `data` is, whole or but for the rest of its body, unless it is for the parser."""
        end = data.find(b"\r\n\r\n")
        if not 0 < end <= LARGEST_HEAD:
            return False
        head = plain_response(data, end, exchange.method == "HEAD")
        if head is None:
            return False
        end += 4
        left = head.length - len(data) + end
        if left < 0:
            return False
        fields = head.fields if head.dated else head.fields + self.pool.date_line
        if not left:
            self.exchange = None
            self.used = True
            if exchange.request_complete:
                self.pool.release(self)
            else:
                self.discard()
            exchange.whole_response(head.status, head.line, fields, data[end:])
            return True
        self.answering = True
        exchange.response_head(head.status, head.line, fields, True)
        self._left = head.length
        if self.exchange is not None:
            self._read_body(self.exchange, data[end:])
        return True

    def _read_body(self, exchange: Requesting, data: bytes) -> None:
        """Pass on a part of a body whose head was plain."""
        if len(data) > self._left:
            # The rest belongs to no request; the parser lets empty lines pass, too.
            data, rest = data[: self._left], data[self._left :]
            self.reusable = self.reusable and not rest.strip(b"\r\n")
        self._left -= len(data)
        if data:
            exchange.response_body(data)
        if self.exchange is not exchange:
            # It has moved on to another connection.
            return
        if self._left:
            exchange.flush()
        else:
            self._finish(exchange)

    def eof_received(self) -> bool:
        if self.exchange is not None:
            # Closing waits until everything is written, and an endpoint that has ended may read no more of it.
            self.transport.abort()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.reusable = False
        if exc is not None and self.exchange is not None:
            # If writing failed, the response may have arrived anyway: an endpoint need not read the request's body.
            for data in rest_of(self.transport):
                self.data_received(data)
                if self.exchange is None:
                    break
        # It refers to this connection, which would otherwise have to wait for a garbage collection.
        self._parser = None
        self.pool.lost(self)
        exchange = self.exchange
        if exchange is None:
            return
        self.truncated = isinstance(exc, TruncatedError)
        optional = self.truncated and self.pool.upstream.tls.close_notify == "optional"
        if self.until_close and (exc is None or optional):
            self._finish(exchange)
        else:
            exchange.upstream_lost()

    def pause_writing(self) -> None:
        if self.exchange is not None:
            self.exchange.client.pause_reading()

    def resume_writing(self) -> None:
        if self.exchange is not None:
            self.exchange.client.resume_reading()

    def _finish(self, exchange: Requesting) -> None:
        self.exchange = None
        clean = self.reusable and not self.until_close and exchange.request_complete
        if self.answering:
            self._begin()
            if self.paused:
                # The client is slow, but the next exchange belongs to another client.
                self.resume_reading()
        self.used = True
        if clean:
            self.pool.release(self)
        else:
            self.discard()
        exchange.response_complete()

    def _malformed(self, exchange: Requesting, begun: bool, cause: Exception) -> None:
        """Abandon `exchange`; `begun` is whether the client has received a part of the response."""
        exchange.response_started = begun
        exchange.upstream_failed("malformed", 502, f"The upstream's response is malformed: {cause}.")

    def is_quiet(self) -> bool:
        """Return whether the socket has no input that the event loop has not delivered yet."""
        events = self._arrivals
        if events is None:
            events = self._arrivals = arrivals(self.transport)
        return not events.poll(0)

    def pause_reading(self) -> None:
        """Pause reading: the client can't accept more."""
        self.paused = True
        self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Resume reading."""
        self.paused = False
        self.transport.resume_reading()

    def discard(self) -> None:
        """Close at once, and discard whatever the endpoint still sends."""
        self.exchange = None
        self.reusable = False
        self.transport.abort()

    # httptools callbacks

    def on_message_begin(self) -> None:
        # If this is another response's beginning, the parser would take the next response for its rest.
        self.reusable = self.reusable and not self._complete

    def on_status(self, phrase: bytes) -> None:
        self._phrase += phrase

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_body:
            return
        action = RESPONSE_ACTIONS.of(name)
        if action:
            if action == actions.CONTENT_LENGTH:
                self._content_length = value
                self._length_fields += 1
                self._lines.append(b"%b: %b\r\n" % (name, value.lstrip(b"0") or b"0"))
            elif action == actions.DATE:
                self._dated = True
                self._lines.append(b"%b: %b\r\n" % (name, value))
            elif action == actions.TRANSFER_ENCODING:
                known = self._transfer_encoding
                self._transfer_encoding = value if known is None else known + b"," + value
            elif action == actions.CONNECTION:
                known = self._connection
                self._connection = value if known is None else known + b"," + value
            elif action == actions.UPGRADE:
                self._upgrade = value if self._upgrade is None else self._upgrade + b"," + value
            return
        self._lines.append(b"%b: %b\r\n" % (name, value))

    def on_headers_complete(self) -> None:
        exchange = self.exchange
        if exchange is None or self._complete:
            raise BadResponse("a second response follows")
        parser = self._parser
        assert parser is not None
        status = parser.get_status_code()
        version = parser.get_http_version()
        if status < 100 or version not in ("1.1", "1.0"):
            raise BadResponse(f"HTTP/{version} with the status {status} is invalid")
        options = connection_options(self._connection or b"")
        named = options - _ABOUT_OTHER_THAN_FIELDS
        if named:
            self._strip(named)
        if status < 200:
            if status == 101:
                check_switch(self._upgrade, self._connection, self._content_length, self._transfer_encoding)
                # Some servers send a length of 0 although there is nothing to frame; it is not forwarded.
                self._strip(_LENGTH)
                return
            if self._length_fields:
                self._strip(_LENGTH)
            self._interim = True
            exchange.interim_response(status, status_line(status, self._phrase), b"".join(self._lines))
            return
        self._in_body = True
        kept = version == "1.1" or b"keep-alive" in options
        if not kept or b"close" in options or (exchange.method != "HEAD" and not parser.should_keep_alive()):
            self.reusable = False
        bodyless = exchange.method == "HEAD" or status == 204 or status == 304
        check_framing(version, self._content_length, self._length_fields, self._transfer_encoding)
        delimited = bodyless or self._content_length is not None
        self.until_close = not delimited and self._transfer_encoding is None
        if status == 204 and self._length_fields:
            # A server must not send one, and not every client ignores it (RFC 9110 section 8.6).
            self._strip(_LENGTH)
        if exchange.method == "HEAD":
            # llhttp can't be told that no body follows, so this parser is discarded.
            self._complete = True
            self._new_parser()
        if not self._dated:
            self._lines.append(self.pool.date_line)
        if status == 426 and self._upgrade is not None:
            # It names the protocol that the client has to switch to (RFC 9110 section 15.5.22).
            self._lines.append(b"Connection: Upgrade\r\nUpgrade: %b\r\n" % self._upgrade)
        exchange.response_head(status, status_line(status, self._phrase), b"".join(self._lines), delimited)

    def _strip(self, named: frozenset[bytes]) -> None:
        self._lines = [line for line in self._lines if line.partition(b":")[0].lower() not in named]

    def on_body(self, body: bytes) -> None:
        self._head_bytes = 0
        exchange = self.exchange
        if exchange is None or self._complete:
            self.reusable = False
            return
        exchange.response_body(body)

    def on_message_complete(self) -> None:
        if self._interim:
            self._begin()
            self.answering = True
            return
        self._complete = True
