"""A second try of a slow read at another endpoint; the first response wins (Dean, Barroso 2013, "The Tail at Scale").

A hedge is additional load, so it is charged to the retry budget, and none is
sent while the upstream's breaker is not closed or its concurrency limit is
reached.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from strangler.model.resilience import Hedging
from strangler.proxy.exchange.admission import make_room
from strangler.proxy.exchange.sending import head_sent
from strangler.resilience.breaker import State
from strangler.resilience.retry import Cause, Failure

if TYPE_CHECKING:
    from strangler.proxy.exchange.under_way import Client, RequestUnderWay
    from strangler.proxy.upstream.connection import UpstreamConnection
    from strangler.proxy.upstream.endpoint_pool import EndpointPool
    from strangler.proxy.upstream.upstream_pool import UpstreamPool

HEDGED = frozenset({"GET", "HEAD"})


class Hedged(Protocol):
    """The attempts of an exchange that may have a second try; see Attempts."""

    hedge: Hedge | None

    @property
    def exchange(self) -> RequestUnderWay: ...

    def take_over(self, pool: EndpointPool, connection: UpstreamConnection | None) -> None: ...

    def hedge_failed(self, failure: Failure) -> None: ...


def plan_hedge(attempts: Hedged, hedging: Hedging, upstream: UpstreamPool) -> None:
    """Send the request to another endpoint of `upstream`, too, if no response begins in time."""
    exchange = attempts.exchange
    if exchange.method not in HEDGED or exchange.head.has_body or exchange.head.upgrade:
        return
    if len(upstream.endpoints) > 1:
        exchange.client.plane.loop.call_later(hedging.after, _begin, attempts, upstream)


def _begin(attempts: Hedged, upstream: UpstreamPool) -> None:
    exchange = attempts.exchange
    if exchange.done or exchange.response_started or exchange.connection is None or attempts.hedge is not None:
        return
    if exchange.decision.upstream != upstream.upstream.name:
        # The request has gone to another upstream meanwhile; this one's response is no alternative to that.
        return
    pool = upstream.next_but({exchange.endpoint_url}, upstream.key_of(exchange, exchange.identity))
    breaker, limit = upstream.breaker, upstream.limit
    plane = exchange.client.plane
    if pool is None or (breaker is not None and breaker.state is not State.CLOSED):
        return
    if not upstream.budget.take(plane.loop.time(), upstream.requests):
        return
    if limit is not None and not limit.enter():
        return
    plane.counters.event("hedges", upstream.upstream.name)
    attempts.hedge = hedge = Hedge(attempts, upstream, pool)
    pool.request(hedge)


class Hedge:
    """The second try, at `pool`; `done` once it was used, cancelled or has failed."""

    __slots__ = (
        "_attempts",
        "_connection",
        "_upstream",
        "client",
        "done",
        "method",
        "pool",
        "request_complete",
        "response_started",
        "timeouts",
    )

    def __init__(self, attempts: Hedged, upstream: UpstreamPool, pool: EndpointPool) -> None:
        exchange = attempts.exchange
        self.pool = pool
        self.client: Client = exchange.client
        self.method = exchange.method
        self.timeouts = exchange.timeouts
        self.request_complete = True
        self.response_started = False
        self.done = False
        self._attempts = attempts
        self._upstream = upstream
        self._connection: UpstreamConnection | None = None

    def lose(self) -> None:
        """Cancel the try: another response is used, or none is needed."""
        if not self.done:
            self._end()
            if self._connection is not None:
                self._connection.discard()
            else:
                self.pool.forget(self)

    def expired(self) -> None:
        """The other try has failed, and this one got no response in time either."""
        if self._connection is None:
            self.pool.forget(self)
            self._fail("busy", 504, "No connection to the upstream could be had in time.")
        else:
            self.upstream_failed("timeout", 504, "The upstream took too long to answer.")

    def _end(self) -> None:
        self.done = True
        limit = self._upstream.limit
        if limit is not None:
            make_room(limit)

    def _fail(self, cause: Cause, status: int, detail: str) -> None:
        """End this try; the exchange continues with the other, or has failed too."""
        if not self.done:
            self._end()
            self._attempts.hedge_failed(Failure(cause, status, detail, True))

    def _win(self, connection: UpstreamConnection | None) -> RequestUnderWay:
        self._end()
        self.client.plane.counters.event("hedges_won", self._upstream.upstream.name)
        self._attempts.take_over(self.pool, connection)
        return self._attempts.exchange

    def _is_wanted(self, status: int) -> bool:
        """Whether a response with `status` is used: an error is not while the other try may still succeed."""
        return status < 500 or self._attempts.exchange.connection is None

    # What connections and pools call

    @property
    def repeatable(self) -> bool:
        """Always: the other try is under way."""
        return True

    def waits_for(self, pool: EndpointPool) -> bool:
        """Whether a connection of `pool` is wanted."""
        return not self.done and self._connection is None and self.pool is pool

    def move_to(self, pool: EndpointPool) -> None:
        """Another endpoint of the same name accepted a connection before the chosen one did."""
        self.pool = pool

    def connected(self, connection: UpstreamConnection) -> None:
        """Write the request to `connection`."""
        self._connection = connection
        connection.exchange = self
        connection.transport.write(b"".join([*head_sent(self._attempts.exchange, self.pool), b"\r\n"]))

    def connect_failed(self, status: int, detail: str) -> None:
        """No connection could be opened; the pool has recorded that."""
        self._fail("connect", status, detail)

    def out_of_descriptors(self) -> None:
        """The gateway itself can open no connection."""
        if not self.done:
            self._end()
            self._attempts.hedge = None
            if self._attempts.exchange.connection is None:
                self._attempts.exchange.out_of_descriptors()

    def busy(self, detail: str) -> None:
        """There are too many requests at the endpoint."""
        self._fail("busy", 503, detail)

    def interim_response(self, status: int, line: bytes, fields: bytes) -> None:
        """Ignore a 1xx: this try's response may not be used."""

    def switch_protocols(
        self, connection: UpstreamConnection, line: bytes, fields: bytes, upgrade: bytes, early: bytes
    ) -> bool:
        """A handshake is never hedged."""
        return False

    def whole_response(self, status: int, line: bytes, fields: bytes, body: bytes) -> None:
        """A response arrived in one piece; its connection is back in the pool."""
        self._connection = None
        if self._is_wanted(status):
            self._win(None).whole_response(status, line, fields, body)
        else:
            self._fail("status", status, "")

    def response_head(self, status: int, line: bytes, fields: bytes, delimited: bool) -> None:
        """A response begins; the exchange itself receives the rest."""
        connection = self._connection
        assert connection is not None
        if self._is_wanted(status):
            self._win(connection).response_head(status, line, fields, delimited)
        else:
            connection.discard()
            self._fail("status", status, "")

    def response_body(self, body: bytes) -> None:
        """Never called: the exchange receives a response from its head on."""

    def flush(self) -> None:
        """Do nothing: no data is held back."""

    def response_complete(self) -> None:
        """Never called: the exchange receives a response from its head on."""

    def upstream_lost(self) -> None:
        """The connection ended without a response."""
        self.upstream_failed("lost", 502, "The upstream closed the connection before its response was complete.")

    def upstream_failed(self, cause: Cause, status: int, detail: str, *, blame: bool = True) -> None:
        """The endpoint failed to respond."""
        if self._connection is not None:
            self._connection.discard()
        if blame:
            self._upstream.endpoint_failed(self.pool)
        self._fail(cause, status, detail)
