"""What becomes of a request whose attempt failed, before a byte of a response reached the client.

In this order: it is sent again where that is safe; the legacy side of its
migration answers; what was answered before, or a static answer, is given. An
exchange has a Recovery from its first failure on.
"""

from __future__ import annotations

from random import random
from time import time
from typing import TYPE_CHECKING

from gateway.config.resilience import Retries, RouteFallback
from gateway.resilience.fallback import may_fall_back
from gateway.resilience.retry import LONGEST_WAIT, SAFE, Cause, Failure, backoff, may_retry, seconds_of
from gateway.routing.decide import Decision

if TYPE_CHECKING:
    from gateway.proxy.endpoints import UpstreamPool
    from gateway.proxy.exchange import Exchange
    from gateway.proxy.pool import EndpointPool

WITHOUT_ROUTE = Retries()


def is_failure(decision: Decision, status: int) -> bool:
    """Whether somebody may be asked again, or instead, because of an answer with this status."""
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
    """The seconds that the Retry-After among a response's `fields` asks for, None where there is none."""
    for line in fields.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"retry-after":
            return seconds_of(value, time())
    return None


class Recovery:
    """What was tried for one exchange so far.

    `fallback` is who answers instead of the upstream (`legacy`, `stale`,
    `static`), `cause` why. `stale_connection` tells that a connection was met
    that the endpoint had closed while it was idle.
    """

    __slots__ = ("cause", "fallback", "retries", "stale_connection", "tried")

    def __init__(self) -> None:
        self.retries = 0
        self.tried: set[str] = set()
        self.stale_connection = False
        self.fallback = ""
        self.cause: Cause | None = None

    def logged(self) -> str:
        """What the access log says of it."""
        text = f',"retries":{self.retries}' if self.retries else ""
        return f'{text},"fallback":"{self.fallback}","cause":"{self.cause}"' if self.fallback else text

    def recover(self, exchange: Exchange, failure: Failure) -> bool:
        """Have somebody answer `exchange` all the same; False where nobody may or can."""
        return self._retry(exchange, failure) or self._ask_legacy(exchange, failure) or self._answer(exchange, failure)

    def next(self, upstream: UpstreamPool, exchange: Exchange) -> EndpointPool:
        """The endpoint for the attempt that `recover` has decided on."""
        return upstream.next_but(self.tried, exchange) or upstream.next_but((), exchange) or upstream.endpoints[0]

    def _retry(self, exchange: Exchange, failure: Failure) -> bool:
        decision = exchange.decision
        plane = exchange.client.plane
        upstream = plane.pools.get(decision.upstream or "")
        settings = WITHOUT_ROUTE if decision.route is None else decision.route.retries
        if upstream is None or not may_retry(failure, exchange.method, settings) or not exchange.repeatable:
            return False
        self.tried.add(exchange.endpoint_url)
        another = upstream.next_but(self.tried, exchange)
        now = plane.loop.time()
        if failure.cause == "connect" and not failure.sent and another is not None:
            if now >= exchange.ends:
                return False
            plane.counters.event("connect_retries", upstream.upstream.name)
            exchange.attempt(upstream)
            return True
        if (another is None and not settings.same_endpoint) or self.retries >= settings.attempts:
            return False
        wait = max(backoff(self.retries + 1, settings, random()), failure.retry_after or 0.0)
        if wait > LONGEST_WAIT or now + wait >= exchange.ends:
            return False
        if not upstream.budget.take(now, upstream.requests):
            plane.counters.event("retries_over_budget", upstream.upstream.name)
            return False
        self.retries += 1
        plane.counters.event("retries", upstream.upstream.name)
        if failure.cause == "status":
            # The route says of this status that nothing was done.
            exchange.sent = False
        exchange.client.deadline = plane.now + wait + LONGEST_WAIT
        plane.loop.call_later(wait, self._try_again, exchange, upstream)
        return True

    def _try_again(self, exchange: Exchange, upstream: UpstreamPool) -> None:
        if not exchange.done and exchange.connection is None:
            exchange.attempt(upstream)

    def _ask_legacy(self, exchange: Exchange, failure: Failure) -> bool:
        decision = exchange.decision
        route, choice = decision.route, decision.choice
        if route is None or route.migration is None or decision.side != "extracted":
            return False
        if choice is not None and choice.overridden:
            return False
        plane = exchange.client.plane
        migration = route.migration
        legacy = plane.pools.get(migration.legacy)
        if legacy is None or not may_fall_back(migration, failure, exchange.method) or not exchange.repeatable:
            return False
        if plane.loop.time() >= exchange.ends:
            return False
        self._count(exchange, failure, "legacy")
        self.retries = 0
        self.tried.clear()
        changes = route.changes_for(migration.legacy)
        exchange.redirect(Decision(route, migration.legacy, "legacy", decision.identity, choice, changes=changes))
        exchange.attempt(legacy)
        return True

    def _answer(self, exchange: Exchange, failure: Failure) -> bool:
        route = exchange.decision.route
        settings = None if route is None else route.fallback
        if route is None or settings is None:
            return False
        if failure.cause == "status" and failure.status not in settings.statuses:
            return False
        return self._answer_stale(exchange, failure, route.name) or self._answer_static(exchange, failure, settings)

    def _answer_stale(self, exchange: Exchange, failure: Failure, route: str) -> bool:
        answers = exchange.client.plane.stale_answers.get(route)
        if answers is None or exchange.method != "GET":
            return False
        now = exchange.client.plane.loop.time()
        kept = answers.find(exchange.stale_key, exchange.headers, now)
        if kept is None:
            return False
        self._count(exchange, failure, "stale")
        exchange.answer_instead(200, kept.head(now), kept.body)
        return True

    def _answer_static(self, exchange: Exchange, failure: Failure, settings: RouteFallback) -> bool:
        static = settings.static
        # Success is never claimed for a request that should have changed something.
        if static is None or (static.status < 400 and exchange.method not in SAFE):
            return False
        self._count(exchange, failure, "static")
        head = f"Content-Type: {static.content_type}\r\nContent-Length: {len(static.body)}\r\n"
        exchange.answer_instead(static.status, head.encode("latin-1"), static.body)
        return True

    def _count(self, exchange: Exchange, failure: Failure, answerer: str) -> None:
        route = exchange.decision.route
        assert route is not None
        migration = "" if route.migration is None else route.migration.name
        exchange.client.plane.counters.fallback((route.name, migration, answerer, failure.cause))
        self.fallback = answerer
        self.cause = failure.cause
