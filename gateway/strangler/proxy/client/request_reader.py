"""Reads the requests of one client connection: bytes in, complete heads and bodies out.

Facts (RFC 9112): the parser is lenient with the white space of a request line
and takes other protocols' names for HTTP, so the line is compared with what it
was taken for (section 3). Where a request asks for an upgrade, the bytes behind
it may be of another protocol, so they are held until its response is known
(RFC 9110 section 7.8).

The reader is between messages, in a head (`in_head`) or in a body (`receiving`).
It stops where enough requests wait, and keeps the rest in `held`. A plain head in
one read, with none or one body behind it, is not parsed (`plain_head`), and
neither is the rest of that body; so a connection may never need a parser.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Final

import httptools

from strangler.proxy.client import states
from strangler.proxy.client.http2 import HTTP2_REFUSED, PREFACE
from strangler.proxy.client.refused_request import Attempted
from strangler.proxy.exchange import sending
from strangler.proxy.exchange.exchange import Exchange
from strangler.proxy.exchange.gathered_head import GatheredHead
from strangler.proxy.exchange.plain_head import plain_head
from strangler.proxy.exchange.request_head import HeadRefused, parse_target
from strangler.proxy.exchange.under_way import Client
from strangler.proxy.http import field_actions as actions
from strangler.proxy.http.headers import REQUEST_ACTIONS
from strangler.routing.decide import Refusal

if TYPE_CHECKING:
    from strangler.proxy.client.worker import Worker
    from strangler.proxy.exchange.request_head import TrustedPeer

READ_AHEAD: Final = 16
"""Maximum requests without a body that wait; then nothing more is read, not even that the client hangs up."""
SLICE: Final = 16_384
"""Maximum bytes outside of a body that are parsed before the number of waiting requests is looked at."""


_END: Final = b"\r\n\r\n"
_BLANK: Final = b"\r\n"


class RequestReceiver(Client):
    """The connection that a reader reads for; its methods are documented there."""

    __slots__ = ("deadline_reason", "exchange", "generation", "state", "trusted", "waiting")

    state: int
    exchange: Exchange | None
    waiting: deque[Exchange]
    trusted: TrustedPeer | None
    generation: int
    deadline_reason: str

    @abstractmethod
    def look_at_peer(self) -> None: ...

    @abstractmethod
    def take(self, exchange: Exchange) -> None: ...

    @abstractmethod
    def refuse(self, refusal: Refusal) -> None: ...

    @abstractmethod
    def discard(self, count: int) -> None: ...

    @abstractmethod
    def next(self) -> None: ...


class RequestReader:
    """The reading side of a connection.

    `receiving` is the exchange whose request is not complete yet. `in_head` tells
    that a head has begun. `held` is input that can't be read yet, because it may
    be of another protocol, or because enough requests wait. `_left` are the bytes
    to come of a body that the parser does not see.
    """

    __slots__ = (
        "_begun",
        "_body_follows",
        "_client",
        "_fed",
        "_head",
        "_last",
        "_left",
        "_parser",
        "_stopped",
        "_unproductive",
        "_url",
        "_worker",
        "held",
        "in_head",
        "receiving",
    )

    def __init__(self, client: RequestReceiver, worker: Worker) -> None:
        self._client: RequestReceiver | None = client
        self._worker = worker
        self._parser: httptools.HttpRequestParser | None = None
        self.receiving: Exchange | None = None
        self.in_head = False
        self.held = b""
        self._head: GatheredHead | None = None
        self._url = b""
        self._begun = 0.0
        # The input since the last message boundary, as it came: the request line is compared with it.
        self._fed: list[bytes] = []
        # Bytes since the last part of a body: of a head, trailers or chunk extensions, which the parser gathers.
        self._unproductive = 0
        # The body of a request that also asks for an upgrade comes next, for a parser of its own.
        self._body_follows = False
        # Why a callback stopped the parser: where an exception is handled already, the one that the parser raises
        # hides it.
        self._stopped: HeadRefused | None = None
        self._left = 0
        # A plain request has announced that it is the last one.
        self._last = False

    def close(self) -> None:
        """The connection is gone: let go of it, which would otherwise have to wait for a garbage collection."""
        self._client = None
        self._parser = None

    def attempted(self) -> Attempted:
        """What is known of the request that is being read."""
        if not self._url:
            # What is no request at all must not be taken for the one before it.
            return Attempted(b"", b"", None, 0.0)
        assert self._parser is not None
        return Attempted(self._parser.get_method(), self._url, self._head, self._begun)

    # Input

    def go_on(self, rest: bytes) -> None:
        """Read what `read` has left, as far as requests may be read."""
        client = self._client
        assert client is not None
        while rest:
            # In a loop, because one read may hold thousands of requests that the parser stops behind.
            if client.state >= states.REFUSING:
                client.discard(len(rest))
                return
            if self._may_switch(client) or len(client.waiting) >= READ_AHEAD:
                self._hold(client, rest)
                return
            rest = self.read(rest)
            if rest and client.exchange is None and self.receiving is None and client.state < states.REFUSING:
                # All so far needed no upstream. Other connections have their turn before the next ones.
                self._hold(client, rest)
                self._worker.loop.call_soon(self._take_held)
                return

    def ended(self) -> bool:
        """The client sends nothing more: drop what is not complete; whether a response is still to come."""
        client = self._client
        assert client is not None
        receiving, self.receiving = self.receiving, None
        if receiving is not None and not receiving.done:
            if receiving is client.exchange:
                return False
            client.waiting.pop().done = True
        self.in_head = False
        later = bool(self.held) or client.state == states.REFUSING
        newest = client.waiting[-1] if client.waiting else client.exchange
        if newest is not None and not later:
            newest.keep_alive = False
        return newest is not None or later

    def _may_switch(self, client: RequestReceiver) -> bool:
        """Whether what follows the newest request may be of another protocol than HTTP."""
        newest = client.waiting[-1] if client.waiting else client.exchange
        return newest is not None and bool(newest.head.upgrade)

    def _hold(self, client: RequestReceiver, data: bytes) -> None:
        self.held += data
        client.pause_reading()

    def _take_held(self) -> None:
        """Go on with what was held for the sake of other connections, unless that has happened already."""
        client = self._client
        if (
            client is not None
            and self.held
            and client.exchange is None
            and not client.waiting
            and client.state < states.REFUSING
        ):
            client.next()

    def read(self, data: bytes) -> bytes:
        """Read `data`, and give what is left: behind a request for another protocol, and of more than a slice."""
        client, worker = self._client, self._worker
        assert client is not None
        if self._left:
            return self._read_body(client, data)
        if client.state == states.IDLE:
            # As `set_deadline` does, whose call costs half a per cent of a short request.
            client.deadline = worker.now + worker.snapshot.limits.header_timeout
            client.deadline_reason = states.HEADER_TIMEOUT
            if worker.takes_plain and self._read_plain(client, data):
                return b""
        elif client.exchange is not None and self._may_switch(client):
            self._hold(client, data)
            return b""
        if self._last:
            # As the parser does, which was not told.
            if data.strip(_BLANK):
                client.refuse(Refusal(400, "The request is malformed: it follows the last one of its connection."))
            return b""
        return self._parse(client, data)

    def _read_plain(self, client: RequestReceiver, data: bytes) -> bool:
        """Take the request that `data` is, whole or but for the rest of its body, unless it is for the parser."""
        worker = self._worker
        end = len(data) - 4 if data.endswith(_END) else data.find(_END)
        if end < 0:
            return False
        if client.generation != worker.generation:
            client.look_at_peer()
        head = plain_head(data, end, client, worker.request_actions, worker.snapshot.limits)
        if head is None:
            return False
        left = len(data) - end - 4
        if not head.has_body:
            if left:
                return False
            exchange = Exchange(client, head)
            exchange.request_complete = True
            self._last = not head.keep_alive
            client.take(exchange)
            return True
        assert head.content_length is not None
        left = int(head.content_length) - left
        if left < 0:
            return False
        self._last = not head.keep_alive
        self._left = left
        self.receiving = exchange = Exchange(client, head)
        body = exchange.body
        assert body is not None
        part = data[end + 4 :]
        large = bool(part) and body.hold(part)
        client.take(exchange)
        if exchange.done:
            client.discard(len(part))
        elif large and exchange.connection is None:
            client.pause_reading()
        if not left:
            self.on_message_complete()
        return True

    def _read_body(self, client: RequestReceiver, data: bytes) -> bytes:
        """Read a body whose head was plain; give what follows it."""
        rest = b""
        if len(data) > self._left:
            data, rest = data[: self._left], data[self._left :]
        self._left -= len(data)
        self.on_body(data)
        if not self._left:
            self.on_message_complete()
        return rest

    def _parse(self, client: RequestReceiver, data: bytes) -> bytes:
        """Have the parser read `data`; what is left is as for `read`."""
        parser = self._parser
        if parser is None:
            parser = self._parser = httptools.HttpRequestParser(self)
        rest = later = b""
        if len(data) > SLICE and self.receiving is None:
            data, later = data[:SLICE], data[SLICE:]
        self._unproductive += len(data)
        self._fed.append(data)
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            rest = data[upgrade.args[0] :]
            if self._body_follows:
                self._expect_body()
        except httptools.HttpParserError as error:
            if client.state >= states.REFUSING:
                return b""
            client.refuse(self._refusal_for(client, error))
        if not self.in_head:
            self._fed.clear()
        if rest and client.state < states.REFUSING:
            return rest + later
        if self.in_head or self.receiving is not None:
            limits = self._worker.snapshot.limits
            if self._unproductive > limits.target_bytes + limits.header_bytes * 2 and client.state < states.REFUSING:
                client.refuse(Refusal(431, "The request's header fields are too large."))
        else:
            # Nothing is kept of a request that was read whole.
            self._head = None
        return later

    def _refusal_for(self, client: RequestReceiver, error: httptools.HttpParserError) -> Refusal:
        """Why the parser stopped; raises what a callback raised that is no refusal."""
        if self._stopped is not None:
            return self._stopped.refusal
        cause = error.__context__
        if isinstance(error, httptools.HttpParserCallbackError) and cause is not None:
            raise cause from None
        if client.exchange is None and b"".join(self._fed).startswith(PREFACE):
            return HTTP2_REFUSED
        if isinstance(error, httptools.HttpParserInvalidMethodError):
            return Refusal(400, "The request does not begin with a known method.")
        return Refusal(400, f"The request is malformed: {error}.")

    def _expect_body(self) -> None:
        """Have a new parser, which takes what comes next for the newest request's body.

        The old one has stopped behind the head, as behind any that asks for an upgrade.
        """
        receiving = self.receiving
        assert receiving is not None
        head = self._head, self._url, self._begun
        length = receiving.head.content_length
        framing = b"Transfer-Encoding: chunked" if length is None else b"Content-Length: " + length
        self._parser = httptools.HttpRequestParser(self)
        self._parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n\r\n" % framing)
        self._head, self._url, self._begun = head
        self._body_follows = False

    # httptools callbacks

    def on_message_begin(self) -> None:
        client = self._client
        assert client is not None
        worker = self._worker
        self.in_head = True
        if client.state == states.IDLE:
            client.state = states.HEAD
        self._begun = worker.loop.time()
        self._unproductive = 0
        self._url = b""
        if client.generation != worker.generation:
            # A connection of a proxy may last for days, and be trusted by now or no longer.
            client.look_at_peer()
        self._head = GatheredHead(client.trusted, client.scheme == "https", worker.request_actions)

    def on_url(self, url: bytes) -> None:
        self._url += url
        if len(self._url) > self._worker.snapshot.limits.target_bytes:
            raise self._stop(HeadRefused(414, "The request target is too long."))

    def on_header(self, name: bytes, value: bytes) -> None:
        # Trailers come this way, too, and are not forwarded.
        if self.in_head:
            assert self._head is not None
            try:
                self._head.add(name, value)
            except HeadRefused as refused:
                raise self._stop(refused) from None
        elif REQUEST_ACTIONS.of(name) == actions.CONNECTION:
            # The parser would let it count (RFC 9110 section 6.5.1).
            raise self._stop(HeadRefused(400, "A trailer field must not concern the connection."))

    def on_headers_complete(self) -> None:
        self.in_head = False
        client = self._client
        assert client is not None
        if self._body_follows or client.state >= states.REFUSING:
            # Behind a last response nothing is a request any more (RFC 9112 section 9.6).
            return
        head, parser, url = self._head, self._parser, self._url
        assert head is not None
        assert parser is not None
        method = parser.get_method()
        version = parser.get_http_version()
        received = b"".join(self._fed)
        try:
            if version == "0.9" and b" HTTP/" not in received:
                # Without a version the parser takes it for 0.9.
                raise HeadRefused(400, "The request line has no version.")
            name = method.decode()
            head.complete(name, url, version, parser.should_keep_alive(), self._worker.snapshot.limits)
            stops = parser.should_upgrade()
            if head.upgrade and not stops:
                # Only where the parser stops is it known where the other protocol begins.
                head.upgrade = ()
            if name == "CONNECT":
                raise HeadRefused(405, "CONNECT is not allowed here.")
            line = b"%b %b HTTP/%b\r\n" % (method, url, version.encode())
            if line not in received:
                raise HeadRefused(
                    400, "The request line must be a method, a target and a version, separated by single spaces."
                )
            target, path, query = parse_target(url, name, head.host)
        except HeadRefused as refused:
            raise self._stop(refused) from None
        if target != url or head.minor == 0:
            line = b"%b %b HTTP/1.1\r\n" % (method, target)
        self._body_follows = stops and head.has_body
        head.line, head.method, head.path, head.query = line, name, path, query
        self.receiving = exchange = Exchange(client, head)
        client.take(exchange)

    def _stop(self, refused: HeadRefused) -> HeadRefused:
        self._stopped = refused
        return refused

    def on_body(self, body: bytes) -> None:
        self._unproductive = 0
        receiving = self.receiving
        if receiving is None or receiving.done:
            assert self._client is not None
            self._client.discard(len(body))
        else:
            sending.request_body(receiving, body)

    def on_message_complete(self) -> None:
        if self._body_follows:
            return
        self._url = b""
        receiving = self.receiving
        if receiving is None:
            return
        self.receiving = None
        if not receiving.done:
            sending.request_ended(receiving)
            return
        client = self._client
        assert client is not None
        if client.state < states.REFUSING and client.exchange is None:
            # Its response was complete before it was.
            client.next()
