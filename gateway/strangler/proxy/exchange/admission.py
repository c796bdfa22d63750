"""Admission to an upstream: by its breaker, the breaker of the migration's side, and its concurrency limit.

An attempt that was admitted has to leave again: it reports its result to the
breakers and makes room for the next. There is a guard only if the upstream has a
breaker or a limit. While the breakers are closed and the limit is not reached,
only attempts that fail or need recovery have one: all others `enter_lightly`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from strangler.resilience.breaker import Breaker
from strangler.resilience.concurrency import ConcurrencyLimit
from strangler.resilience.retry import Failure

if TYPE_CHECKING:
    from strangler.proxy.exchange.under_way import RequestUnderWay
    from strangler.proxy.upstream.endpoint_pool import Owner
    from strangler.proxy.upstream.worker import Admitted


def make_room(limit: ConcurrencyLimit[Admitted]) -> None:
    """A request that had entered `limit` is over: admit the one that has waited longest."""
    following = limit.leave()
    if following is not None:
        following.admitted()


class Entrant(Protocol):
    """The attempts that enter; `sent` is whether the request may have had an effect."""

    sent: bool

    @property
    def exchange(self) -> RequestUnderWay: ...

    def admitted(self) -> None: ...


def _side_breaker(exchange: RequestUnderWay) -> Breaker | None:
    """The breaker of the side of the migration that `exchange` goes to."""
    if not exchange.decided:
        return None
    decision = exchange.decision
    if decision.side is None or decision.route is None or decision.route.migration is None:
        return None
    return exchange.client.plane.side_breakers.get((decision.route.migration.name, decision.side))


def _breakers(exchange: RequestUnderWay, upstream: Owner) -> list[Breaker]:
    """The breakers that have to admit `exchange` at `upstream`."""
    return [breaker for breaker in (upstream.breaker, _side_breaker(exchange)) if breaker is not None]


def enter_lightly(exchange: RequestUnderWay, upstream: Owner) -> bool:
    """Whether `exchange` may proceed without a guard; on a failure it gets one (`Guard.late`)."""
    limit = upstream.limit
    if limit is not None:
        if not limit.enter():
            return False
        exchange.entered = limit
    # Not by `_breakers`: a list for each request would cost 0.8 µs.
    own = upstream.breaker
    if own is not None:
        own.begun += 1
    if len(upstream.breakers) > (own is not None):
        side = _side_breaker(exchange)
        if side is not None:
            side.begun += 1
    return True


class Guard:
    """The breakers and the limit that one of the `attempts` has entered."""

    __slots__ = ("_attempts", "_limit", "_tickets", "began", "upstream", "waiting")

    def __init__(self, attempts: Entrant, upstream: Owner) -> None:
        self.upstream = upstream
        self.waiting = False
        self.began = 0.0
        self._attempts = attempts
        self._tickets: list[tuple[Breaker, int]] = []
        self._limit: ConcurrencyLimit[Admitted] | None = None

    @classmethod
    def late(cls, attempts: Entrant, upstream: Owner) -> Guard:
        """Return the guard of attempts that have entered lightly."""
        guard = cls(attempts, upstream)
        exchange = attempts.exchange
        guard._limit, exchange.entered = exchange.entered, None
        guard.began = exchange.client.plane.loop.time()
        guard._tickets = [(breaker, breaker.late_ticket()) for breaker in _breakers(exchange, upstream)]
        return guard

    def enter(self) -> Failure | None:
        """Enter, or return why not; if then `waiting`, `admitted` of the attempts is called when there is room."""
        exchange = self._attempts.exchange
        plane = exchange.client.plane
        upstream = self.upstream
        now = plane.loop.time()
        for breaker in _breakers(exchange, upstream):
            ticket = breaker.enter(now)
            if not ticket:
                self.abandon()
                plane.counters.event("breaker_refusals", upstream.upstream.name)
                detail = f"Upstream {upstream.upstream.name} fails too often and gets no requests for a moment."
                return Failure("breaker", 503, detail, self._attempts.sent, breaker.retry_after(now))
            self._tickets.append((breaker, ticket))
        limit = upstream.limit
        if limit is not None:
            if limit.enter():
                self._limit = limit
            elif limit.wait(self._attempts):
                self._limit = limit
                self.waiting = True
                exchange.client.deadline = plane.now + limit.settings.wait
            else:
                self.abandon()
                return self.too_many()
        self.began = now
        return None

    def go(self) -> None:
        """There is room now: the wait is over."""
        self.waiting = False
        self.began = self._attempts.exchange.client.plane.loop.time()

    def too_many(self) -> Failure:
        """Count and return the failure of an exchange for which there is no room."""
        name = self.upstream.upstream.name
        self._attempts.exchange.client.plane.counters.event("concurrency_refusals", name)
        return Failure("busy", 503, f"Upstream {name} has too many requests.", self._attempts.sent, 1.0)

    def answered(self, status: int) -> None:
        """A response began."""
        now = self._attempts.exchange.client.plane.loop.time()
        for breaker, ticket in self._tickets:
            breaker.answered(ticket, now, now - self.began, status)
        self._tickets = []

    def failed(self) -> None:
        """The upstream failed to give a usable response."""
        now = self._attempts.exchange.client.plane.loop.time()
        for breaker, ticket in self._tickets:
            breaker.failed(ticket, now)
        self._tickets = []

    def abandon(self) -> None:
        """The attempt ends without a result for the breakers."""
        for breaker, ticket in self._tickets:
            breaker.abandoned(ticket)
        self._tickets = []

    def leave(self) -> None:
        """The attempt is over: make room for the next."""
        self.abandon()
        limit = self._limit
        if limit is None:
            return
        self._limit = None
        if self.waiting:
            limit.forget(self._attempts)
        else:
            make_room(limit)
