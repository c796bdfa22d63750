"""Recovers a request whose attempt failed before a byte of a response reached the client.

In this order: it is sent again if that is safe; it is sent to the legacy side of
its migration; a stored or a static response is sent.
"""

from __future__ import annotations

from random import random
from time import time
from typing import TYPE_CHECKING, Protocol

from strangler.model.resilience import RouteFallback
from strangler.proxy.exchange.excuse import Excuse
from strangler.proxy.exchange.response import respond_instead
from strangler.resilience.fallback import may_answer, may_fall_back
from strangler.resilience.retry import LONGEST_WAIT, Cause, Failure, backoff, may_retry, seconds_of
from strangler.routing.decide import Decision

if TYPE_CHECKING:
    from strangler.model.resilience import Retries
    from strangler.proxy.exchange.under_way import RequestUnderWay
    from strangler.proxy.upstream.upstream_pool import UpstreamPool


class Recovering(Protocol):
    """The attempts that have failed; see Attempts."""

    sent: bool
    retries: int
    fallback: str
    cause: Cause | None

    @property
    def exchange(self) -> RequestUnderWay: ...

    @property
    def settings(self) -> Retries: ...

    @property
    def repeatable(self) -> bool: ...

    @property
    def tried(self) -> set[str]: ...

    def start(self, upstream: UpstreamPool) -> None: ...


def stale_key(exchange: RequestUnderWay) -> tuple[bytes, bytes]:
    """The key of the response to this request in the store of stale responses: scheme, host and request line.

    A response may contain the host and the scheme that a trusted proxy reports, for example in links.
    """
    forwarding = exchange.head.forwarding
    reported = "" if forwarding is None else f" {forwarding.scheme}://{forwarding.host}"
    return f"{exchange.client.scheme}://{exchange.host}{reported}".lower().encode("latin-1"), exchange.head.line


def is_failure(decision: Decision, status: int) -> bool:
    """Whether a response with this status is a failure that a retry or a fallback may recover."""
    route = decision.route
    if route is None:
        return False
    if status in route.retries.statuses or (route.fallback is not None and status in route.fallback.statuses):
        return True
    migration = route.migration
    if migration is None or decision.side != "extracted" or migration.fallback is None:
        return False
    return status in migration.fallback.statuses


def asked_to_wait(fields: bytes) -> float | None:
    """The delay in seconds of the Retry-After in a response's `fields`; None if there is none."""
    for line in fields.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"retry-after":
            return seconds_of(value, time())
    return None


def recover(attempts: Recovering, failure: Failure) -> bool:
    """Retry or fall back; return False if neither is permitted or possible."""
    return _retry(attempts, failure) or _ask_legacy(attempts, failure) or _answer(attempts, failure)


def _retry(attempts: Recovering, failure: Failure) -> bool:
    exchange, settings = attempts.exchange, attempts.settings
    plane = exchange.client.plane
    upstream = plane.pools.get(exchange.decision.upstream or "")
    if upstream is None or not may_retry(failure, exchange.method, settings) or not attempts.repeatable:
        return False
    attempts.tried.add(exchange.endpoint_url)
    another = upstream.next_but(attempts.tried, upstream.key_of(exchange, exchange.identity))
    now = plane.loop.time()
    if failure.cause == "connect" and not failure.sent and another is not None:
        if now >= exchange.ends:
            return False
        plane.counters.event("connect_retries", upstream.upstream.name)
        attempts.start(upstream)
        return True
    if (another is None and not settings.same_endpoint) or attempts.retries >= settings.attempts:
        return False
    wait = max(backoff(attempts.retries + 1, settings, random()), failure.retry_after or 0.0)
    if wait > LONGEST_WAIT or now + wait >= exchange.ends:
        return False
    if not upstream.budget.take(now, upstream.requests):
        plane.counters.event("retries_over_budget", upstream.upstream.name)
        return False
    attempts.retries += 1
    plane.counters.event("retries", upstream.upstream.name)
    if failure.cause == "status":
        # By the route's configuration, this status means that the request had no effect.
        attempts.sent = False
    exchange.client.deadline = plane.now + wait + LONGEST_WAIT
    plane.loop.call_later(wait, _try_again, attempts, upstream)
    return True


def _try_again(attempts: Recovering, upstream: UpstreamPool) -> None:
    if not attempts.exchange.done and attempts.exchange.connection is None:
        attempts.start(upstream)


def _ask_legacy(attempts: Recovering, failure: Failure) -> bool:
    exchange = attempts.exchange
    decision = exchange.decision
    route, choice = decision.route, decision.choice
    if route is None or route.migration is None or decision.side != "extracted":
        return False
    if choice is not None and choice.overridden:
        return False
    plane = exchange.client.plane
    migration = route.migration
    legacy = plane.pools.get(migration.legacy)
    if legacy is None or not may_fall_back(migration, failure, exchange.method) or not attempts.repeatable:
        return False
    if plane.loop.time() >= exchange.ends:
        return False
    _count(attempts, failure, "legacy")
    attempts.retries = 0
    attempts.tried.clear()
    changes = route.changes_for(migration.legacy)
    if exchange.observer is not None:
        exchange.observer.excuse(Excuse.OTHER_SIDE)
    exchange.decision_so_far = Decision(route, migration.legacy, "legacy", decision.identity, choice, changes=changes)
    attempts.start(legacy)
    return True


def _answer(attempts: Recovering, failure: Failure) -> bool:
    route = attempts.exchange.decision.route
    settings = None if route is None else route.fallback
    if route is None or settings is None:
        return False
    if failure.cause == "status" and failure.status not in settings.statuses:
        return False
    return _answer_stale(attempts, failure, route.name) or _answer_static(attempts, failure, settings)


def _answer_stale(attempts: Recovering, failure: Failure, route: str) -> bool:
    exchange = attempts.exchange
    answers = exchange.client.plane.stale_answers.get(route)
    if answers is None or exchange.method != "GET" or exchange.head.has_body:
        return False
    now = exchange.client.plane.loop.time()
    kept = answers.find(stale_key(exchange), exchange.headers, now)
    if kept is None:
        return False
    _count(attempts, failure, "stale")
    respond_instead(exchange, 200, kept.head(now), kept.body)
    return True


def _answer_static(attempts: Recovering, failure: Failure, settings: RouteFallback) -> bool:
    exchange, static = attempts.exchange, settings.static
    if static is None or not may_answer(static, exchange.method):
        return False
    _count(attempts, failure, "static")
    head = f"Content-Type: {static.content_type}\r\nContent-Length: {len(static.body)}\r\n"
    respond_instead(exchange, static.status, head.encode("latin-1"), static.body)
    return True


def _count(attempts: Recovering, failure: Failure, answerer: str) -> None:
    route = attempts.exchange.decision.route
    assert route is not None
    migration = "" if route.migration is None else route.migration.name
    attempts.exchange.client.plane.counters.fallback((route.name, migration, answerer, failure.cause))
    attempts.fallback = answerer
    attempts.cause = failure.cause
