"""One client's connection: reads requests, hands each to an exchange, answers in order.

Facts (RFC 9112): responses go out in the order of the requests (section
9.3.2), so a pipelined request waits, and little more is read while one waits;
a connection that is closed with unread input is reset, which may destroy the
answer before the client has read it (section 9.6). The parser is lenient with
the white space of a request line and takes other protocols' names for HTTP, so
the line is compared with what it was taken for (section 3).

A request without a body whose fields are known (see known.py) and whose target
has plain URI characters alone is not parsed. Everything else goes through the
parser.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections import deque
from typing import TYPE_CHECKING, cast

import httptools

from strangler.auth.certificate import ClientCertificate, UnreadableCertificate, certificate_of
from strangler.observe.access_log import refused_line
from strangler.proxy.client.http2 import HTTP2_REFUSED, PREFACE, goaway
from strangler.proxy.client.peer import peer_of
from strangler.proxy.exchange.exchange import Exchange
from strangler.proxy.exchange.known_heads import KNOWN_FIELDS, REMEMBERED_FIELDS, KnownFields
from strangler.proxy.exchange.request_head import HeadRefused, RequestHead, TrustedPeer, parse_target
from strangler.proxy.http.broken import STALLED, Delivery, ResetWhenSent
from strangler.proxy.http.headers import REQUEST_ACTIONS, Action, forwarded_element, forwarded_lines
from strangler.proxy.http.problem_responses import capabilities, problem
from strangler.routing.decide import Refusal
from strangler.routing.trust import network_of

if TYPE_CHECKING:
    from strangler.proxy.exchange.under_way import RequestUnderWay
    from strangler.proxy.plane import DataPlane

NEVER = float("inf")
DISCARDED_BODY = 33_554_432
LINGER = 2.0
LONGEST_LINGER = 30.0
"""What comes of a request after its response is read and thrown away, up to so many bytes and until nothing comes for
`LINGER` seconds, `LONGEST_LINGER` in all: many clients send the whole body before they look for a response."""
DISCARDED_REST = 262_144
"""So many bytes are thrown away, within `LINGER` seconds, behind what never became a request."""
LAST_REQUEST = 1.0
WRITE_BUFFER = 262_144
READ_AHEAD = 16
"""So many requests without a body may wait before nothing more is read, not even that the client hangs up."""
MOST_TURNED_AWAY = 1_000
"""So many connections of a worker that are too many are told so before they end; further ones are reset."""
SLICE = 16_384
"""So many bytes outside of a body are parsed before it is looked whether enough requests wait."""

# Methods without a body (but OPTIONS, which may be a preflight), and the characters of RFC 3986 in a path and a query.
_PLAIN_LINE = re.compile(rb"(GET|HEAD|DELETE) (/[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*) HTTP/1\.1\r\n")


class ClientConnection(asyncio.Protocol):
    """Reads requests from one client and hands each to an Exchange.

    `peer` is the address of the other end where the connection itself does not
    tell it; `believed` false takes its word about clients for nothing, whoever
    it is.
    """

    __slots__ = (
        "_begun",
        "_believed",
        "_body_follows",
        "_broken",
        "_closing",
        "_discardable",
        "_ended",
        "_fed",
        "_full",
        "_generation",
        "_head",
        "_held",
        "_in_head",
        "_known",
        "_lingers_until",
        "_parser",
        "_reading",
        "_receiving",
        "_refusal",
        "_starting",
        "_stopped",
        "_turned_away",
        "_unproductive",
        "_unsent",
        "_url",
        "_waiting",
        "certificate",
        "deadline",
        "exchange",
        "forwarded",
        "forwarded_element",
        "peer",
        "plane",
        "requests_left",
        "scheme",
        "transport",
        "trusted",
    )

    def __init__(self, plane: DataPlane, peer: str = "", believed: bool = True) -> None:
        self.plane = plane
        self.transport: asyncio.Transport = None  # type: ignore[assignment]
        self.exchange: Exchange | None = None
        self.peer = peer
        self._believed = believed
        self.scheme = "http"
        self.trusted: TrustedPeer | None = None
        self.certificate: ClientCertificate | None = None
        self.forwarded = b""
        self.forwarded_element = ""
        self.deadline = NEVER
        self.requests_left = 0
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[Exchange] = deque()
        self._receiving: Exchange | None = None
        self._broken: tuple[RequestUnderWay, Delivery, bool] | None = None
        self._reading = True
        self._closing = False
        self._ended = False
        self._starting = False
        self._full = False
        self._turned_away = False
        self._discardable = DISCARDED_REST
        self._lingers_until = 0.0
        self._unproductive = 0
        self._unsent = NEVER
        self._in_head = False
        self._body_follows = False
        self._begun = 0.0
        self._generation = 0
        self._held = b""
        self._url = b""
        self._fed: list[bytes] = []
        self._refusal: Refusal | None = None
        self._stopped: HeadRefused | None = None
        self._head: RequestHead | None = None
        self._known: KnownFields | None = None

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        plane = self.plane
        self.transport.set_write_buffer_limits(WRITE_BUFFER)
        if not self.peer:
            self.peer = peer_of(transport)
        secure = transport.get_extra_info("ssl_object")
        if secure is not None:
            self.scheme = "https"
        self._look_at_peer()
        plane.clients.add(self)
        limits = plane.snapshot.limits
        self.deadline = plane.now + limits.header_timeout
        self.requests_left = limits.requests
        counted = network_of(self.peer)
        of_address = plane.addresses[counted] = plane.addresses.get(counted, 0) + 1
        if secure is not None and not self._read_certificate(secure):
            self._refuse(Refusal(400, "The client certificate can't be read."))
        elif of_address > limits.connections_per_address and self.trusted is None:
            self._turn_away(Refusal(429, "The client's address has too many connections."))
        elif len(plane.clients) + len(plane.tunnels) - plane.turned_away > limits.connections:
            self._turn_away(Refusal(503, "The gateway has too many connections."))
        elif not plane.accepting:
            self.drain()

    def _turn_away(self, refusal: Refusal) -> None:
        """Refuse the connection itself, which takes no place from others while it ends."""
        plane = self.plane
        if plane.turned_away >= MOST_TURNED_AWAY:
            # No time for a word to each of so many.
            self._closing = True
            self.transport.abort()
            return
        plane.turned_away += 1
        self._turned_away = True
        self._refuse(refusal)

    def _read_certificate(self, secure: ssl.SSLObject) -> bool:
        """Take over what the client's certificate says, if it has shown one; whether that could be read."""
        der = secure.getpeercert(binary_form=True)
        if der is not None:
            try:
                self.certificate = certificate_of(der)
            except UnreadableCertificate:
                return False
            self._look_at_peer()
        return True

    def _look_at_peer(self) -> None:
        """Find out whether the peer is a trusted proxy, and what upstreams are told of the connection."""
        plane = self.plane
        self._generation = plane.generation
        self.forwarded_element = ""
        if self._believed and self.peer in plane.trusted_proxies:
            self.trusted = TrustedPeer(self.peer, self.scheme, plane.trusted_proxies)
            self.forwarded = b""
        else:
            self.trusted = None
            self.forwarded = forwarded_lines(self.peer, self.scheme)
            if plane.trusted_proxies.header == "Forwarded":
                self.forwarded_element = forwarded_element(self.peer, self.scheme)
        if self.certificate is not None:
            self.forwarded += self.certificate.header_line

    def connection_lost(self, exc: Exception | None) -> None:
        self.plane.clients.discard(self)
        self._leave_address()
        self._forget_known()
        if self._turned_away:
            self._turned_away = False
            self.plane.turned_away -= 1
        self._closing = True
        self.deadline = NEVER
        exchange = self.exchange
        self.exchange = None
        if exchange is not None:
            exchange.client_gone()
        if self._broken is not None:
            broken, delivery, framed = self._broken
            self._broken = None
            broken.broken_off(delivery.lost(closed=framed and exc is None))
        for waiting in self._waiting:
            waiting.done = True
        self._waiting.clear()
        # It holds on to this connection, which would then have to wait for a collection.
        self._parser = None  # type: ignore[assignment]
        self.plane.client_closed()

    def _leave_address(self) -> None:
        addresses = self.plane.addresses
        counted = network_of(self.peer)
        left = addresses[counted] - 1
        if left:
            addresses[counted] = left
        else:
            del addresses[counted]

    def data_received(self, data: bytes) -> None:
        if self._closing:
            self._discard(len(data))
            return
        if self.exchange is None and self._receiving is None and not self._in_head:
            if self._known is not None and self._repeats(self._known, data):
                return
            rest = self._parse_first(data)
        else:
            rest = self._parse(data)
        while rest:
            # In a loop, because one read may hold thousands of requests that the parser stops behind.
            rest = self._go_on(rest)
            if rest and self.exchange is None and not (self._receiving or self._closing):
                # All so far were answered at once. Others have their turn before the next ones.
                self._hold(rest)
                self.plane.loop.call_soon(self._take_held)
                return

    def _take_held(self) -> None:
        """Go on with what was held for others' sake, unless somebody has by now."""
        if self._held and self.exchange is None and not (self._waiting or self._full or self._closing):
            self._next()

    def _go_on(self, rest: bytes) -> bytes:
        """Parse what the parser left, and give what it leaves of that."""
        if self._closing:
            self._discard(len(rest))
            return b""
        if self._may_switch() or len(self._waiting) >= READ_AHEAD:
            self._hold(rest)
            return b""
        if self.exchange is None and self._receiving is None and not self._in_head:
            return self._parse_first(rest)
        return self._parse(rest)

    def _parse_first(self, data: bytes) -> bytes:
        """Parse what comes while nothing else is under way, and give what the parser leaves."""
        self.deadline = self.plane.now + self.plane.snapshot.limits.header_timeout
        rest = self._parse(data)
        if not rest:
            self._learn(data)
            if not self._in_head and self._receiving is None:
                # An idle connection holds nothing of its last request.
                self._head = None
        return rest

    def _parse(self, data: bytes) -> bytes:
        """Parse `data`, and give what is left: behind a request for another protocol, and of more than a slice."""
        if self.exchange is not None and self._may_switch():
            self._hold(data)
            return b""
        later = b""
        if len(data) > SLICE and self._receiving is None:
            data, later = data[:SLICE], data[SLICE:]
        self._unproductive += len(data)
        self._fed.append(data)
        rest = b""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            rest = data[upgrade.args[0] :]
            if self._body_follows:
                self._expect_body()
        except httptools.HttpParserError as error:
            if self._closing:
                return b""
            cause = error.__context__
            if self._stopped is not None:
                self._refuse(self._stopped.refusal)
            elif isinstance(error, httptools.HttpParserCallbackError) and cause is not None:
                raise cause from None
            elif self.exchange is None and b"".join(self._fed).startswith(PREFACE):
                self._refuse(HTTP2_REFUSED)
            elif isinstance(error, httptools.HttpParserInvalidMethodError):
                self._refuse(Refusal(400, "The request does not begin with a method that is known here."))
            else:
                self._refuse(Refusal(400, f"The request is malformed: {error}."))
        if not self._in_head:
            self._fed.clear()
        if rest and not self._closing:
            return rest + later
        if (self._in_head or self._receiving is not None) and not self._closing:
            limits = self.plane.snapshot.limits
            if self._unproductive > limits.target_bytes + limits.header_bytes * 2:
                # Of a head, trailers or chunk extensions; the parser would gather without end.
                self._refuse(Refusal(431, "The request's header fields are too large."))
        return later

    def _expect_body(self) -> None:
        """Have a new parser, which takes what comes next for the newest request's body.

        The old one has stopped behind the head, as behind any that asks for an upgrade.
        """
        receiving = self._receiving
        assert receiving is not None
        head = self._head, self._url, self._begun
        length = receiving.head.content_length
        framing = b"Transfer-Encoding: chunked" if length is None else b"Content-Length: " + length
        self._parser = httptools.HttpRequestParser(self)
        self._parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n\r\n" % framing)
        self._head, self._url, self._begun = head
        self._body_follows = False

    def _learn(self, data: bytes) -> None:
        """Remember the fields of `data` if it was one whole request that can be known again by its bytes."""
        head = self._head
        if head is None or self._in_head or self._closing or not head.repeatable:
            return
        received = data[data.find(b"\n") + 1 :]
        if received.find(b"\r\n\r\n") == len(received) - 4 and _PLAIN_LINE.fullmatch(
            data, 0, len(data) - len(received)
        ):
            plane = self.plane
            known = self._known
            grown = len(received) if known is None else len(received) - len(known.received)
            if len(received) <= REMEMBERED_FIELDS and plane.known_bytes + grown <= KNOWN_FIELDS:
                plane.known_bytes += grown
                self._known = KnownFields(received, head, plane.generation)
            else:
                self._forget_known()

    def _forget_known(self) -> None:
        if self._known is not None:
            self.plane.known_bytes -= len(self._known.received)
            self._known = None

    def _repeats(self, known: KnownFields, data: bytes) -> bool:
        """Start an exchange if `data` is one whole request with the `known` fields; whether it is."""
        received = known.received
        if not data.endswith(received):
            return False
        plane = self.plane
        line = data[: -len(received)]
        plain = _PLAIN_LINE.fullmatch(line)
        if plain is None or known.generation != plane.generation:
            return False
        method, target = plain.groups()
        if len(target) > plane.snapshot.limits.target_bytes:
            return False
        path, _, query = target.decode().partition("?")
        exchange = Exchange(self, known.head, line, method.decode(), path, query)
        exchange.request_complete = True
        self.exchange = exchange
        exchange.start_known(known)
        return True

    def eof_received(self) -> bool:
        """The client sends nothing more; whether the connection stays open for what it is still to get.

        It may have ended its side alone, and wait for the response (RFC 9112 section 9.6). That can't be told from one
        that has gone, until something is written to it.
        """
        if self._ended:
            return True
        if self._closing and self._refusal is None:
            return False
        if not self.plane.snapshot.limits.half_close:
            return False
        self._ended = True
        self._reading = False
        return self._goes_on()

    def _goes_on(self) -> bool:
        """Whether a client that sends nothing more is still to get a response; what is not whole is no request."""
        receiving, self._receiving = self._receiving, None
        if receiving is not None and not receiving.done:
            if receiving is self.exchange:
                return False
            self._waiting.pop().done = True
        self._in_head = False
        newest = self._waiting[-1] if self._waiting else self.exchange
        if newest is not None and not (self._held or self._refusal is not None):
            newest.keep_alive = False
        return newest is not None or bool(self._held) or self._refusal is not None

    def pause_writing(self) -> None:
        self._full = True
        exchange = self.exchange
        if exchange is not None and exchange.connection is not None:
            exchange.connection.pause_reading()

    def resume_writing(self) -> None:
        self._full = False
        exchange = self.exchange
        if exchange is None:
            if self._receiving is None and (not self._closing or self._refusal is not None):
                self._next()
        elif exchange.connection is not None:
            exchange.connection.resume_reading()
            self.deadline = self.plane.now + exchange.timeouts.idle

    # Flow

    def pause_reading(self) -> None:
        """Stop reading from the client: somebody further on can't take more."""
        if self._reading and not self.transport.is_closing():
            self._reading = False
            self.transport.pause_reading()

    @property
    def is_reading(self) -> bool:
        """Whether whatever the client sends is taken: nobody further on has asked to wait."""
        return self._reading

    def resume_reading(self) -> None:
        """Read from the client again, unless enough pipelined requests wait, or one with a body, or one is refused."""
        if self._reading or self._ended or self._refusal is not None or self._held or self.transport.is_closing():
            return
        if len(self._waiting) >= READ_AHEAD or any(waiting.head.has_body for waiting in self._waiting):
            return
        self._reading = True
        self.transport.resume_reading()

    # Upgrades

    def _may_switch(self) -> bool:
        """Whether what comes after the newest request may be of another protocol than HTTP."""
        newest = self._waiting[-1] if self._waiting else self.exchange
        return newest is not None and bool(newest.head.upgrade)

    def _hold(self, data: bytes) -> None:
        """Keep `data` until it is known of which protocol it is, or those before it have been answered."""
        self._held += data
        self.pause_reading()

    def hand_over(self) -> tuple[bytes, bool, bool]:
        """Leave the connection to a tunnel: what came, whether the client can't take more now, whether it has ended."""
        held, self._held = self._held, b""
        self.exchange = None
        self.deadline = NEVER
        self.plane.clients.discard(self)
        self._forget_known()
        self.resume_reading()
        return held, self._full, self._ended

    # httptools callbacks

    def on_message_begin(self) -> None:
        self._in_head = True
        self._begun = self.plane.loop.time()
        self._unproductive = 0
        self._url = b""
        if self._generation != self.plane.generation:
            # A connection of a proxy may last for days, and be trusted by now or no longer.
            self._look_at_peer()
        self._head = RequestHead(self.trusted, self.plane.request_actions)

    def on_url(self, url: bytes) -> None:
        self._url += url
        if len(self._url) > self.plane.snapshot.limits.target_bytes:
            raise self._stop(HeadRefused(414, "The request target is too long."))

    def on_header(self, name: bytes, value: bytes) -> None:
        # Trailers come this way, too, and are not forwarded.
        if self._in_head:
            assert self._head is not None
            try:
                self._head.add(name, value)
            except HeadRefused as refused:
                raise self._stop(refused) from None
        elif REQUEST_ACTIONS[name] == Action.CONNECTION:
            # The parser would let it count (RFC 9110 section 6.5.1).
            raise self._stop(HeadRefused(400, "A trailer must not be about the connection."))

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._body_follows:
            return
        if self._closing:
            # The answer before said so: nothing behind it is a request any more (RFC 9112 section 9.6).
            return
        try:
            exchange = self._read_head()
        except HeadRefused as refused:
            raise self._stop(refused) from None
        self._receiving = exchange
        if self.exchange is None and not self._full:
            self.exchange = exchange
            exchange.start()
        else:
            self._waiting.append(exchange)
            if exchange.head.has_body or len(self._waiting) >= READ_AHEAD:
                self.pause_reading()

    def _stop(self, refused: HeadRefused) -> HeadRefused:
        """Note why the parser is stopped: where an exception is handled already, the one that it raises hides it."""
        self._stopped = refused
        return refused

    def _read_head(self) -> Exchange:
        """The exchange that the whole head asks for; raises HeadRefused."""
        head = self._head
        assert head is not None
        parser = self._parser
        method = parser.get_method().decode()
        version = parser.get_http_version()
        if version == "0.9" and b" HTTP/" not in b"".join(self._fed):
            # Without a version the parser takes it for 0.9.
            raise HeadRefused(400, "The request line has no version.")
        head.complete(method, self._url, version, parser.should_keep_alive(), self.plane.snapshot.limits)
        stops = parser.should_upgrade()
        if head.upgrade and not stops:
            # Only where the parser stops is it known where the other protocol begins.
            head.upgrade = ()
        if method == "CONNECT":
            raise HeadRefused(405, "CONNECT is not allowed here.")
        if b"%b %b HTTP/%b\r\n" % (method.encode(), self._url, version.encode()) not in b"".join(self._fed):
            raise HeadRefused(400, "The request line is not a method, a target and a version, one space between them.")
        assert head.host is not None
        target, path, query = parse_target(self._url, method, head.host)
        line = b"%b %b HTTP/1.1\r\n" % (method.encode(), target)
        self._body_follows = stops and head.has_body
        return Exchange(self, head, line, method, path, query)

    def on_body(self, body: bytes) -> None:
        self._unproductive = 0
        receiving = self._receiving
        if receiving is None or receiving.done:
            self._discard(len(body))
        else:
            receiving.request_body(body)

    def on_message_complete(self) -> None:
        if self._body_follows:
            return
        self._url = b""
        receiving = self._receiving
        if receiving is None:
            return
        self._receiving = None
        if not receiving.done:
            receiving.request_ended()
        elif not self._closing and self.exchange is None:
            self._next()

    # Endings

    def exchange_finished(self, exchange: RequestUnderWay) -> None:
        """An exchange was answered to its end: go on with the next request, or close."""
        self.exchange = None
        if not exchange.keep_alive:
            self._close_after(exchange)
        elif exchange.request_complete:
            if self._full or self._waiting or not self._reading or not self.plane.accepting:
                self._next()
            else:
                self.deadline = self.plane.now + self.plane.snapshot.limits.keep_alive
        else:
            # The answer came before the request ended; read what is left of it, within bounds.
            self._linger()

    def _next(self) -> None:
        if self._full:
            # What is written already has to be read first, or answers would gather without end.
            self.deadline = self.plane.now + STALLED
            self.pause_reading()
            return
        if self._waiting:
            self._start_waiting()
            return
        if self._refusal is not None:
            self._answer_refused(self._refusal)
            return
        if self._held:
            # No upgrade has taken it, so this is HTTP.
            held, self._held = self._held, b""
            self.resume_reading()
            self.data_received(held)
            if self._ended and not self._held and not self._goes_on():
                self.close()
            return
        if self._ended:
            self.close()
            return
        self.deadline = self.plane.now + self.plane.snapshot.limits.keep_alive
        self.resume_reading()
        if not self.plane.accepting:
            self.drain()

    def _start_waiting(self) -> None:
        """Start those who wait, until one of them has something to wait for itself."""
        if self._starting:
            return
        self._starting = True
        while self._waiting and self.exchange is None and not self._full:
            self.exchange = self._waiting.popleft()
            self.exchange.start()
        self._starting = False
        self.resume_reading()

    def _close_after(self, exchange: RequestUnderWay) -> None:
        """Close once what was written is out, and let an unread request body run out first.

        Closing with unread input makes the kernel send a reset, which may
        destroy the answer before the client has read it (RFC 9112 section 9.6).
        """
        self._end_requests()
        if self._ended or (exchange.request_complete and self._reading):
            self.close()
            return
        self._linger()
        if self.transport.can_write_eof():
            self.transport.write_eof()

    def _end_requests(self) -> None:
        """Take no more requests, nor those that wait."""
        self._closing = True
        for waiting in self._waiting:
            waiting.done = True
        self._waiting.clear()

    def _linger(self, longest: float = LONGEST_LINGER, most: int = DISCARDED_BODY) -> None:
        """Read what still comes and throw it away, for `longest` seconds and `most` bytes in all."""
        now = self.plane.now
        self._discardable = most
        self._lingers_until = now + longest
        self.deadline = now + LINGER
        self.resume_reading()

    def _discard(self, count: int) -> None:
        self._discardable -= count
        if self._discardable < 0:
            self.close()
        elif self.exchange is None:
            self.deadline = min(self.plane.now + LINGER, self._lingers_until)

    def _refuse(self, refusal: Refusal) -> None:
        """Answer a request that never became an exchange, after those before it, and close."""
        self._closing = True
        if self._waiting and self._waiting[-1] is self._receiving:
            self._waiting.pop().done = True
        last = self._waiting[-1] if self._waiting else self.exchange
        if last is None:
            self._answer_refused(refusal)
        elif last is self._receiving:
            last.keep_alive = False
            last.give_up(refusal.status, refusal.detail)
            # What follows need not be the rest of a body.
            self._discardable = min(self._discardable, DISCARDED_REST)
            self._lingers_until = min(self._lingers_until, self.plane.now + LINGER)
        else:
            # Earlier requests are answered first; what follows is not trusted.
            self._refusal = refusal
            self.pause_reading()

    def _answer_refused(self, refusal: Refusal) -> None:
        self._refusal = None
        # What is no request at all must not be taken for the one before it.
        head = self._head if self._url else None
        plane = self.plane
        request_id = (head.request_id if head is not None else None) or plane.new_request_id()
        plane.counters.request(("", "", "", refusal.status), 0.0, 0)
        plane.counters.event("refused_requests", str(refusal.status))
        self._log_refused(refusal, request_id, head)
        if refusal is HTTP2_REFUSED:
            answer = goaway()
        elif refusal.status == 200:
            answer = capabilities(request_id)
        else:
            head_only = self._url != b"" and self._parser.get_method() == b"HEAD"
            busy = refusal.status in (429, 503)
            answer = problem(refusal, request_id, close=True, head_only=head_only, retry_after=1 if busy else None)
        self.transport.write(answer)
        if self._ended:
            self.close()
            return
        self._linger(LINGER, DISCARDED_REST)
        if self.transport.can_write_eof():
            self.transport.write_eof()

    def _log_refused(self, refusal: Refusal, request_id: bytes, head: RequestHead | None) -> None:
        """Write the access log's line, with what is known of the request."""
        log = self.plane.access_log
        if log is None:
            return
        method = self._parser.get_method().decode("latin-1") if head is not None else ""
        path = self._url.partition(b"?")[0][: self.plane.snapshot.limits.target_bytes].decode("latin-1")
        client, host = (self.peer, "") if head is None else (head.client or self.peer, head.host or "")
        seconds = 0.0 if head is None else self.plane.loop.time() - self._begun
        log.write(refused_line(self.plane.timestamp, request_id, method, path, refusal.status, seconds, client, host))

    def drain(self) -> None:
        """Close soon if idle, unless a last request comes: it may be on its way, and closing would lose it."""
        if self.exchange is None and not self._closing and not self._in_head:
            self.deadline = min(self.deadline, self.plane.now + LAST_REQUEST)

    def end(self) -> None:
        """The gateway ends: answer or break off what is under way, and close."""
        if self.exchange is not None:
            self.exchange.drained()
        elif not self._closing:
            self.close()

    def close(self) -> None:
        """Close after what was written is out."""
        self._closing = True
        self.deadline = self.plane.now + STALLED
        self.transport.close()

    def break_off(self, exchange: RequestUnderWay, *, framed: bool) -> None:
        """End the response of `exchange`, which can't be completed, so that the client sees it is broken.

        `framed` tells that its framing shows that. Where the end of the connection ends the body, only a reset does
        (RFC 9112 section 8). The exchange is recorded when the connection is gone, and it is known how much arrived.
        """
        self.exchange = None
        self._broken = exchange, Delivery(self.transport), framed
        if framed:
            self._close_after(exchange)
        else:
            self._end_requests()
            self.deadline = NEVER
            ResetWhenSent(self.plane, self.transport, self.connection_lost)

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
            unsent = self.transport.get_write_buffer_size()
            if 0 < unsent < self._unsent:
                self._unsent = unsent
                self.deadline = self.plane.now + STALLED
            else:
                self.transport.abort()
        else:
            self.close()
