"""One client's connection: gives each request to an exchange, and sends the responses in order.

Facts (RFC 9112): responses go out in the order of the requests (section 9.3.2),
so a pipelined request waits, and little more is read while one waits; closing
with unread input resets the connection, which may destroy a response (section 9.6).

Read `states` first: it has the table of what a connection does on which event,
and which deadline holds. `request_reader` turns bytes into requests.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final, cast

from strangler.proxy.client import connection_limits, states
from strangler.proxy.client.endings import BrokenResponse, Discarding, abandon
from strangler.proxy.client.peer import origin_of, peer_of, shown_certificate
from strangler.proxy.client.refused_request import refuse_request
from strangler.proxy.client.request_reader import READ_AHEAD, RequestReader, RequestReceiver
from strangler.proxy.client.worker import Worker
from strangler.proxy.exchange import failures
from strangler.proxy.exchange.exchange import Exchange
from strangler.proxy.exchange.under_way import RequestUnderWay
from strangler.proxy.http.broken import STALLED as STALL_SECONDS
from strangler.proxy.http.broken import Delivery, ResetWhenSent
from strangler.routing.decide import Refusal

NEVER: Final = float("inf")
LAST_REQUEST: Final = 1.0
"""Seconds that an idle connection may take to bring one more request when the worker stops."""
WRITE_BUFFER: Final = 262_144
"""Bytes that a client may leave unread before its upstream is asked to pause."""


class ClientConnection(RequestReceiver):
    """The protocol of a client's transport, as the event loop calls it.

    `peer` is the client's address where the socket does not have it. If
    `believed` is false, the peer's forwarding headers are ignored even if it is
    a trusted proxy.

    `exchange` is the one whose response goes out now, `waiting` are those behind
    it. `requests_left` counts down to the last request.
    """

    __slots__ = (
        "_believed",
        "_broken",
        "_discarding",
        "_ended",
        "_full",
        "_reader",
        "_refusal",
        "_starting",
        "_turned_away",
        "_unsent",
        "_worker",
    )

    def __init__(self, plane: Worker, peer: str = "", believed: bool = True) -> None:
        self.plane = plane
        self._worker = plane
        self.state = states.IDLE
        self.deadline = NEVER
        self.deadline_reason = states.NONE
        self.exchange = None
        self.waiting = deque()
        self.requests_left = 0
        # Who is at the other end; `generation` is the worker's when that was looked at.
        self.peer = peer
        self.scheme = "http"
        self.certificate = None
        self.trusted = None
        self.forwarded = b""
        self.forwarded_element = ""
        self.generation = 0
        self._believed = believed
        # Flags that can be true in several states; for the reasons see `states`.
        self.is_reading = True
        self._full = False
        self._ended = False
        self._turned_away = False
        self._starting = False
        # What some states have: REFUSING; UNREAD, REFUSING and LINGERING; RESETTING; LINGERING and CLOSING.
        self._refusal: Refusal | None = None
        self._discarding: Discarding | None = None
        self._broken: BrokenResponse | None = None
        self._unsent = NEVER
        self._reader = RequestReader(self, plane)

    def __repr__(self) -> str:
        state = states.NAMES[self.state]
        return f"<ClientConnection {self.peer} {state} deadline={self.deadline_reason} waiting={len(self.waiting)}>"

    def set_deadline(self, at: float, reason: str) -> None:
        """Have `expired` called at `at`. An exchange may give a `reason` of its own, or assign `deadline` alone."""
        self.deadline = at
        self.deadline_reason = reason

    def expired(self) -> None:
        """The deadline passed."""
        exchange = self.exchange
        if exchange is not None:
            self.set_deadline(NEVER, states.EXCHANGE)
            failures.expired(exchange)
        elif self.state >= states.REFUSING:
            unsent = self.transport.get_write_buffer_size()
            if 0 < unsent < self._unsent:
                self._unsent = float(unsent)
                self.set_deadline(self._worker.now + STALL_SECONDS, states.STALL)
            else:
                self.transport.abort()
        elif self._reader.in_head:
            self._reader.in_head = False
            self.refuse(Refusal(408, "The request's head took too long."))
        else:
            self.close()

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(WRITE_BUFFER)
        plane = self._worker
        if not self.peer:
            self.peer = peer_of(transport)
        secure = transport.get_extra_info("ssl_object")
        unreadable = None
        if secure is not None:
            self.scheme = "https"
            self.certificate, unreadable = shown_certificate(secure)
        self.look_at_peer()
        plane.clients.add(self)
        self.set_deadline(plane.now + plane.snapshot.limits.header_timeout, states.HEADER_TIMEOUT)
        self.requests_left = plane.snapshot.limits.requests
        excess = connection_limits.enter(plane, self.peer, trusted=self.trusted is not None)
        if unreadable is not None:
            self.refuse(unreadable)
        elif excess is None:
            if not plane.accepting:
                self.drain()
        elif plane.turned_away >= connection_limits.MAXIMUM_TURNED_AWAY:
            self.state = states.CLOSING
            self.transport.abort()
        else:
            plane.turned_away += 1
            self._turned_away = True
            self.refuse(excess)

    def connection_lost(self, exc: Exception | None) -> None:
        plane = self._worker
        plane.clients.discard(self)
        connection_limits.leave(plane, self.peer)
        self._reader.close()
        if self._turned_away:
            self._turned_away = False
            plane.turned_away -= 1
        self.state = states.GONE
        self.set_deadline(NEVER, states.NONE)
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            failures.client_gone(exchange)
        broken, self._broken = self._broken, None
        if broken is not None:
            broken.record(exc)
        abandon(self.waiting)
        plane.client_closed()

    def data_received(self, data: bytes) -> None:
        if self.state >= states.REFUSING:
            self.discard(len(data))
            return
        reader = self._reader
        rest = reader.read(data)
        if rest:
            reader.go_on(rest)

    def eof_received(self) -> bool:
        """The client sends nothing more; whether the connection stays open for responses that are still to come.

        A client that half-closes (RFC 9112 section 9.6) looks like one that is gone until something is written to it.
        """
        if self._ended:
            return True
        if self.state > states.REFUSING or not self._worker.snapshot.limits.half_close:
            return False
        self._ended = True
        self.is_reading = False
        return self._reader.ended()

    def pause_writing(self) -> None:
        self._full = True
        exchange = self.exchange
        if exchange is not None and exchange.connection is not None:
            exchange.connection.pause_reading()

    def resume_writing(self) -> None:
        self._full = False
        exchange = self.exchange
        if exchange is None:
            if self.state in (states.IDLE, states.STALLED, states.REFUSING):
                self.next()
        elif exchange.connection is not None:
            exchange.connection.resume_reading()
            self.set_deadline(self._worker.now + exchange.timeouts.idle, states.EXCHANGE)

    # What the reader calls

    def look_at_peer(self) -> None:
        """Find out whether the peer is a trusted proxy, and what upstreams get to know of the connection."""
        plane = self._worker
        self.generation = plane.generation
        self.trusted, self.forwarded, self.forwarded_element = origin_of(
            self.peer, self.scheme, self.certificate, plane.trusted_proxies, believed=self._believed
        )

    def take(self, exchange: Exchange) -> None:
        """A head is complete: start its request, or have it wait its turn."""
        if self.exchange is None and not self._full:
            self.exchange = exchange
            self.state = states.SERVING
            self.deadline_reason = states.EXCHANGE
            exchange.start()
            return
        self.waiting.append(exchange)
        if self.state <= states.HEAD:
            # The write buffer filled up behind the last response.
            self.state = states.STALLED
            self.set_deadline(self._worker.now + STALL_SECONDS, states.STALL)
        if exchange.head.has_body or len(self.waiting) >= READ_AHEAD:
            self.pause_reading()

    def discard(self, count: int) -> None:
        """Throw away `count` bytes of input."""
        discarding = self._discarding
        if discarding is None:
            return
        if not discarding.take(count):
            self.close()
        elif self.exchange is None:
            self.set_deadline(discarding.deadline(self._worker.now), states.LINGER)

    def refuse(self, refusal: Refusal) -> None:
        """Respond to what never became a request, after the requests before it, and close."""
        self.state = states.REFUSING
        reader, waiting = self._reader, self.waiting
        receiving = reader.receiving
        if waiting and waiting[-1] is receiving:
            waiting.pop().done = True
            reader.receiving = None
        last = waiting[-1] if waiting else self.exchange
        if last is None:
            response = refuse_request(self._worker, self.peer, refusal, reader.attempted())
            self._linger(Discarding.behind_refusal(self._worker.now), response)
        elif last is receiving:
            last.keep_alive = False
            failures.give_up(last, refusal.status, refusal.detail)
            if self._discarding is not None:
                # What follows need not be the rest of a body.
                self._discarding.narrow(self._worker.now)
        else:
            self._refusal = refusal
            self._discarding = Discarding.behind_refusal(self._worker.now)
            self.pause_reading()

    def next(self) -> None:
        """Go on where no exchange is under way: with the requests that wait, what was held, or the client's next."""
        reader, plane = self._reader, self._worker
        if self._full:
            # What is written already has to be read first, or responses would gather without end.
            if self.state != states.REFUSING:
                self.state = states.STALLED
            self.set_deadline(plane.now + STALL_SECONDS, states.STALL)
            self.pause_reading()
            return
        if self.waiting:
            if self._starting:
                return
            self._starting = True
            while self.waiting and self.exchange is None and not self._full:
                self.exchange = self.waiting.popleft()
                if self.state != states.REFUSING:
                    self.state = states.SERVING
                self.deadline_reason = states.EXCHANGE
                self.exchange.start()
            self._starting = False
            self.resume_reading()
            return
        if self._refusal is not None:
            refusal, self._refusal = self._refusal, None
            response = refuse_request(plane, self.peer, refusal, reader.attempted())
            self._linger(Discarding.behind_refusal(plane.now), response)
            return
        self.state = states.HEAD if reader.in_head else states.IDLE
        if reader.held:
            # No upgrade has taken it, so this is HTTP.
            held, reader.held = reader.held, b""
            self.resume_reading()
            self.data_received(held)
            if self._ended and not reader.held and not reader.ended():
                self.close()
        elif self._ended:
            self.close()
        else:
            self.set_deadline(plane.now + plane.snapshot.limits.keep_alive, states.KEEP_ALIVE)
            self.resume_reading()
            if not plane.accepting:
                self.drain()

    # What exchanges call

    def pause_reading(self) -> None:
        """Stop reading from the client: what it sends can't be passed on now."""
        if self.is_reading and not self.transport.is_closing():
            self.is_reading = False
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Read from the client again, unless enough requests wait, or one with a body, or one is refused."""
        if self.is_reading or self._ended or self._reader.held or self.state == states.REFUSING:
            return
        enough = len(self.waiting) >= READ_AHEAD or any(waiting.head.has_body for waiting in self.waiting)
        if not enough and not self.transport.is_closing():
            self.is_reading = True
            self.transport.resume_reading()

    def exchange_finished(self, exchange: RequestUnderWay) -> None:
        """The response of `exchange` is complete: go on with the next request, or close."""
        self.exchange = None
        plane = self._worker
        if not exchange.keep_alive:
            self._close_after(exchange)
        elif not exchange.request_complete:
            self.state = states.UNREAD
            self._discarding = discarding = Discarding.behind_response(plane.now)
            self.set_deadline(discarding.deadline(plane.now), states.LINGER)
            self.resume_reading()
        elif self._full or self.waiting or not self.is_reading or not plane.accepting:
            # What is REFUSING or CLOSING does not read.
            if self.state <= states.REFUSING:
                self.next()
        else:
            self.state = states.HEAD if self._reader.in_head else states.IDLE
            # As `set_deadline` does, whose call costs half a per cent of a short request.
            self.deadline = plane.now + plane.snapshot.limits.keep_alive
            self.deadline_reason = states.KEEP_ALIVE

    def break_off(self, exchange: RequestUnderWay, *, framed: bool) -> None:
        """End the response of `exchange`, which can't be completed. A reset shows that if it is not `framed`."""
        self.exchange = None
        self._broken = BrokenResponse(exchange, Delivery(self.transport), framed=framed)
        if framed:
            self._close_after(exchange)
        else:
            abandon(self.waiting)
            self.state = states.RESETTING
            self.set_deadline(NEVER, states.NONE)
            ResetWhenSent(self._worker, self.transport, self.connection_lost)

    def hand_over(self) -> tuple[bytes, bool, bool]:
        """Leave the connection to a tunnel: what was held, whether the client is behind, whether it has half-closed."""
        reader = self._reader
        held, reader.held = reader.held, b""
        self.exchange = None
        self.state = states.TUNNEL
        self.set_deadline(NEVER, states.NONE)
        self._worker.clients.discard(self)
        self.resume_reading()
        return held, self._full, self._ended

    # Endings

    def drain(self) -> None:
        """Close soon if idle, unless a last request comes: it may be on its way, and closing would lose it."""
        if self.exchange is None and self.state < states.REFUSING and not self._reader.in_head:
            at = self._worker.now + LAST_REQUEST
            if at < self.deadline:
                self.set_deadline(at, states.DRAIN)

    def end(self) -> None:
        """The worker ends: respond to what is under way or break it off, and close."""
        if self.exchange is not None:
            failures.drained(self.exchange)
        elif self.state < states.REFUSING:
            self.close()

    def close(self) -> None:
        """Close after what was written is out."""
        self.state = states.CLOSING
        self.set_deadline(self._worker.now + STALL_SECONDS, states.STALL)
        self.transport.close()

    def _close_after(self, exchange: RequestUnderWay) -> None:
        """Close behind the last response, and let the rest of its request run out first."""
        abandon(self.waiting)
        if exchange.request_complete and self.is_reading:
            self.close()
        else:
            self._linger(Discarding.behind_response(self._worker.now))

    def _linger(self, discarding: Discarding, last: bytes = b"") -> None:
        """Write what is left to write, end this side alone, and discard what still comes; close if nothing can come."""
        if last:
            self.transport.write(last)
        if self._ended:
            self.close()
            return
        self.state = states.LINGERING
        self._discarding = discarding
        self.set_deadline(discarding.deadline(self._worker.now), states.LINGER)
        self.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
