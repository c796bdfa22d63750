"""Applies the rate limits of routes to a worker's requests, and reports them to clients.

All limits of a route must admit a request; if one refuses, the others get their
token back. Fields: RateLimit-Policy and RateLimit as in
draft-ietf-httpapi-ratelimit-headers-09 (same semantics since -08), Retry-After
by RFC 9110 section 10.2.3.

A request is decided at once from the table that all workers share. It waits in
two cases only: another worker holds the lock of its set at this moment, or
several machines count together in Redis.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from hashlib import blake2b
from time import monotonic_ns
from typing import TYPE_CHECKING, Protocol

from strangler.model.rate_limits import RateLimit, Redis
from strangler.model.route import Route
from strangler.observe.worker_report import Notice
from strangler.proxy.rate_limits.redis_counts import SharedCounts
from strangler.proxy.rate_limits.redis_trouble import Trouble
from strangler.proxy.rate_limits.shared_buckets import Tally, new_tally
from strangler.resilience.gcra import SECOND, Rate, Verdict, rate_of
from strangler.routing.decide import Refusal
from strangler.routing.split import sticky_value
from strangler.routing.trust import network_of

if TYPE_CHECKING:
    import asyncio

    from strangler.auth.identity import Identity
    from strangler.observe.counters import Counters
    from strangler.proxy.upstream.upstream_pool import UpstreamPool
    from strangler.routing.request import Request

RETRY = 0.0005
STOPPED = 2 * SECOND
"""Nanoseconds after which the holder of a set must have been stopped (SIGSTOP, a debugger) and not just been
preempted: with ten busy processes on two cores that took up to 19 ms, on a busier machine more than 50."""
PATIENCE = 5.0
LONGEST_KEY = 128


class Counting(Protocol):
    """The part of its worker that the limiter depends on."""

    @property
    def now(self) -> float: ...

    @property
    def loop(self) -> asyncio.AbstractEventLoop: ...

    @property
    def counters(self) -> Counters: ...


class Waiting(Protocol):
    """The connection of a client that waits for a decision until `deadline`."""

    deadline: float


class Limited(Protocol):
    """An exchange on a route with rate limits."""

    @property
    def done(self) -> bool: ...

    @property
    def request(self) -> Request: ...

    @property
    def identity(self) -> Identity | None: ...

    @property
    def client(self) -> Waiting: ...

    def let_in(self, upstream: UpstreamPool, fields: bytes) -> None:
        """The rate limits admit the request; `fields` report them to the client."""

    def turn_away(self, refusal: Refusal, retry_after: float, fields: bytes = b"") -> None:
        """The rate limits do not admit the request for the next `retry_after` seconds."""


class RateLimiter:
    """Decides by the table behind the descriptor `tally` (its own table if None), or by Redis."""

    def __init__(self, plane: Counting, tally: int | None) -> None:
        self._plane = plane
        self._tally = Tally(new_tally() if tally is None else tally)
        self._redis: Redis | None = None
        self._shared: SharedCounts | None = None

    def apply(self, redis: Redis | None) -> None:
        """Count together with other machines in `redis` from now on, or alone if it is None."""
        if redis == self._redis:
            return
        before = self._shared
        self._redis = redis
        self._shared = None if redis is None else SharedCounts(redis, partial(self._note_redis, redis))
        if before is not None:
            before.close()

    def close(self) -> None:
        """Stop counting."""
        if self._shared is not None:
            self._shared.close()
        self._tally.close()

    def redis_state(self) -> str | None:
        """Why Redis can't be used; "" if it can, None if Redis is not configured."""
        if self._shared is None:
            return None
        return self._shared.cause if self._shared.away else ""

    def _note_redis(self, redis: Redis, trouble: Trouble | None) -> None:
        counters = self._plane.counters
        if trouble is None:
            counters.notice(Notice("redis responds again", {"rate_limits": "shared"}))
            return
        counters.event("redis_unusable", trouble.cause)
        event = "redis does not respond" if trouble.silent else "redis refuses to count"
        told: dict[str, str | int] = {"cause": trouble.cause, "do": trouble.do, "rate_limits": redis.unavailable}
        counters.notice(Notice(event, told))

    def check(self, exchange: Limited, route: Route, upstream: UpstreamPool) -> None:
        """Send `exchange` to `upstream` if the limits of `route` admit it, now or soon; else send a response."""
        limits = route.rate_limits
        buckets = [bucket_name(limit, exchange.request, exchange.identity) for limit in limits]
        shared = self._shared
        if shared is None:
            self._decide_here(exchange, limits, buckets, upstream)
        elif shared.away:
            self._decide_without(exchange, limits, buckets, upstream)
        else:
            # Redis's own deadline is shorter; this one never expires.
            exchange.client.deadline = self._plane.now + PATIENCE
            rates = [_rate(limit) for limit in limits]
            shared.ask(buckets, rates, partial(self._answered, exchange, limits, buckets, upstream))

    def _answered(
        self,
        exchange: Limited,
        limits: Sequence[RateLimit],
        buckets: Sequence[str],
        upstream: UpstreamPool,
        verdicts: list[Verdict] | None,
    ) -> None:
        if exchange.done:
            return
        if verdicts is None:
            self._decide_without(exchange, limits, buckets, upstream)
        else:
            self._settle(exchange, limits, verdicts, upstream)

    def _decide_without(
        self, exchange: Limited, limits: Sequence[RateLimit], buckets: Sequence[str], upstream: UpstreamPool
    ) -> None:
        """Handle a missing result: Redis is unavailable, or a reload has replaced or removed it meanwhile."""
        if self._redis is None or (self._shared is not None and not self._shared.away):
            self._decide_here(exchange, limits, buckets, upstream)
            return
        choice = self._redis.unavailable
        self._plane.counters.event("rate_limits_without_redis", choice)
        if choice == "local":
            self._decide_here(exchange, limits, buckets, upstream)
        else:
            exchange.turn_away(Refusal(503, "The rate limit of this route can't be checked at the moment."), 1.0)

    def _decide_here(
        self,
        exchange: Limited,
        limits: Sequence[RateLimit],
        buckets: Sequence[str],
        upstream: UpstreamPool,
        until: int | None = None,
    ) -> None:
        """Decide by the table of this machine; after `until` nanoseconds even if another worker holds the lock."""
        if exchange.done:
            return
        now = monotonic_ns()
        verdicts: list[Verdict] = []
        for number, limit in enumerate(limits):
            locked = until is None or now < until
            verdict = self._tally.take(buckets[number], now, _rate(limit), locked=locked)
            if verdict is None or not verdict.allowed:
                for taken in range(number):
                    self._tally.give_back(buckets[taken], _rate(limits[taken]))
            if verdict is None:
                exchange.client.deadline = self._plane.now + PATIENCE
                until = until or now + STOPPED
                self._plane.loop.call_later(RETRY, self._decide_here, exchange, limits, buckets, upstream, until)
                return
            verdicts.append(verdict)
            if not verdict.allowed:
                break
        if self._tally.forgotten:
            self._plane.counters.event("rate_limit_buckets_forgotten", times=self._tally.forgotten)
            self._tally.forgotten = 0
        self._settle(exchange, limits, verdicts, upstream)

    def _settle(
        self, exchange: Limited, limits: Sequence[RateLimit], verdicts: Sequence[Verdict], upstream: UpstreamPool
    ) -> None:
        fields = fields_of(limits, verdicts)
        refusing = [pair for pair in zip(limits, verdicts, strict=False) if not pair[1].allowed]
        if not refusing:
            exchange.let_in(upstream, fields)
            return
        limit, verdict = max(refusing, key=lambda pair: pair[1].wait)
        self._plane.counters.event("rate_limited", limit.name)
        detail = f"Too many requests: the limit is {limit.requests} within {limit.per:g} s."
        exchange.turn_away(Refusal(429, detail), verdict.wait / SECOND, fields)


def bucket_name(limit: RateLimit, request: Request, identity: Identity | None) -> str:
    """Return the name of the bucket of `limit` that a request takes from."""
    for key in limit.keys:
        value = sticky_value(key, request, identity)
        if value:
            if key.kind == "ip":
                value = network_of(value)
            elif len(value) > LONGEST_KEY:
                # A client chooses the value, and it is stored: here and, if machines share counts, in Redis.
                value = blake2b(value.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
            return f"{_bucket(limit)} {key}={value}"
    return _bucket(limit)


def fields_of(limits: Sequence[RateLimit], verdicts: Sequence[Verdict]) -> bytes:
    """Return the fields that report `limits` to a client; a limit without a verdict gets its policy only."""
    states = ", ".join(
        f'"{limit.name}";r={verdict.remaining};t={_seconds(verdict.reset)}'
        for limit, verdict in zip(limits, verdicts, strict=False)
    )
    return f"RateLimit-Policy: {', '.join(map(_policy, limits))}\r\nRateLimit: {states}\r\n".encode("latin-1")


@lru_cache(1024)
def _policy(limit: RateLimit) -> str:
    return f'"{limit.name}";q={limit.requests};w={_seconds(round(limit.per * SECOND))}'


@lru_cache(1024)
def _bucket(limit: RateLimit) -> str:
    """Return what distinguishes the limit's buckets from all others, even from those before a change of the limit."""
    return f"{limit.name} {limit.requests}/{limit.per:g}/{limit.burst}"


@lru_cache(1024)
def _rate(limit: RateLimit) -> Rate:
    return rate_of(limit.requests, limit.per, limit.burst)


def _seconds(nanoseconds: int) -> int:
    """Return whole seconds, rounded up, so that a client that waits them has waited long enough."""
    return -(-nanoseconds // SECOND)
