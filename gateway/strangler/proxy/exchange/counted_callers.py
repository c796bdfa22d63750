"""Callers of a migration that is rolled out: who comes, who fails, who is slow.

A caller is seen where its decision is taken, and noted at the end of an exchange
that failed or took too long; one that went well pays a test of its route for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from strangler.observe.callers import NotedCaller, caller_digest
from strangler.routing.split import counted_key

if TYPE_CHECKING:
    from strangler.model.migration import CallerCounting
    from strangler.model.route import Route
    from strangler.proxy.exchange.under_way import RequestUnderWay
    from strangler.routing.decide import Decision

NO_DESCRIPTORS_LEFT = "The gateway can't open another connection: it has no file descriptors left."


def see(exchange: RequestUnderWay, decision: Decision, route: Route) -> None:
    """The caller of `exchange` comes to `route`, which counts callers."""
    counted = _counted(exchange, decision, route)
    if counted is not None:
        counting, caller, side = counted
        exchange.client.plane.callers.see(_migration_name(route), counting.scope, side, caller)


def note(exchange: RequestUnderWay, route: Route, status: int, seconds: float) -> None:
    """`exchange`, by a `route` that counts callers, is over; it may have failed or been slow."""
    decision = exchange.decision
    reason = _failure(exchange, decision, status)
    slow = seconds > route.slow_after
    if reason is None and not slow:
        return
    counted = _counted(exchange, decision, route)
    if counted is None:
        return
    counting, caller, side = counted
    callers, migration = exchange.client.plane.callers, _migration_name(route)
    if reason is not None:
        callers.note(migration, counting.scope, NotedCaller("errors", side, caller, route.name, reason))
    if slow:
        reason = f"more than {route.slow_after * 1000:g} ms"
        callers.note(migration, counting.scope, NotedCaller("latency", side, caller, route.name, reason))


def _migration_name(route: Route) -> str:
    assert route.migration is not None
    return route.migration.name


def _counted(exchange: RequestUnderWay, decision: Decision, route: Route) -> tuple[CallerCounting, int, str] | None:
    """How the caller is counted, its digest and its side; None for a caller that does not count."""
    migration, choice = route.migration, decision.choice
    if migration is None or migration.counting is None or choice is None:
        return None
    key = counted_key(migration, exchange, decision.identity, choice)
    # The side that was chosen: after a fallback, that of the decision is another one.
    return None if key is None else (migration.counting, caller_digest(migration.name, key), choice.side)


def _failure(exchange: RequestUnderWay, decision: Decision, status: int) -> str | None:
    """How the side failed that was chosen; None where it did not, or the gateway itself is the reason."""
    attempts = exchange.attempts
    if exchange.client.plane.draining or (attempts is not None and attempts.reason == NO_DESCRIPTORS_LEFT):
        return None
    if decision.choice is not None and decision.side != decision.choice.side:
        return "fallback to the legacy side"
    if attempts is not None and attempts.fallback:
        return f"{attempts.fallback} response in its place"
    if attempts is not None and attempts.broken:
        return attempts.reason or "the response was cut short"
    if status >= 500:
        return (attempts.reason if attempts is not None else "") or f"status {status}"
    return None
