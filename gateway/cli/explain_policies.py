"""The policies of `strangler explain`: what holds for a request beside where it goes."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from gateway.config.resilience import Retries
from gateway.config.snapshot import Migration, Route, SideName, Snapshot
from gateway.resilience.fallback import fallback_of, may_answer
from gateway.resilience.retry import IDEMPOTENT
from gateway.routing.decide import Decision


def policies(snapshot: Snapshot, decision: Decision, method: str) -> dict[str, Any]:
    """The policies for a request that was decided for an upstream, under the names that they have in the YAML.

    What is None or empty does not hold for it. Durations are seconds, sizes bytes.
    """
    route = decision.route
    assert decision.upstream is not None
    upstream = snapshot.upstreams[decision.upstream]
    timeouts = upstream.timeouts if route is None else route.timeouts.get(upstream.name, upstream.timeouts)
    return {
        "rate_limits": [] if route is None else _rate_limits(route),
        "body_bytes": (route.body_bytes if route is not None else None) or snapshot.limits.body_bytes,
        "timeouts": {name: value for name, value in asdict(timeouts).items() if value is not None},
        "retries": _retries(Retries() if route is None else route.retries, method),
        "fallback": [] if route is None else _fallback(route, decision, method),
        "shadow": None if route is None else _shadow(route.migration, decision.side, method),
    }


def _rate_limits(route: Route) -> list[dict[str, Any]]:
    return [
        {"requests": limit.requests, "per": limit.per, "burst": limit.burst, "key": [str(key) for key in limit.keys]}
        for limit in route.rate_limits
    ]


def _retries(settings: Retries, method: str) -> dict[str, Any] | None:
    """`sent` tells whether a request may be sent again of which something was sent already."""
    if not settings.attempts:
        return None
    return {
        "attempts": settings.attempts,
        "sent": method in settings.methods and method in IDEMPOTENT,
        "statuses": sorted(settings.statuses) if method in settings.methods else [],
    }


def _fallback(route: Route, decision: Decision, method: str) -> list[dict[str, Any]]:
    """Who answers where the upstream can't, in their order."""
    found: list[dict[str, Any]] = []
    migration, choice = route.migration, decision.choice
    if migration is not None and decision.side == "extracted" and not (choice is not None and choice.overridden):
        legacy = fallback_of(migration, method)
        if legacy is not None:
            found.append({"answers": migration.legacy, "statuses": sorted(legacy.statuses)})
    if route.fallback is not None:
        statuses = sorted(route.fallback.statuses)
        if route.fallback.stale is not None and method == "GET":
            found.append({"answers": "stale", "statuses": statuses})
        if route.fallback.static is not None and may_answer(route.fallback.static, method):
            found.append({"answers": "static", "statuses": statuses})
    return found


def _shadow(migration: Migration | None, side: SideName | None, method: str) -> dict[str, Any] | None:
    if migration is None or migration.shadow is None or side is None:
        return None
    copied_to = migration.copied_to(side, method)
    if copied_to is None:
        return None
    return {"copied_to": copied_to, "percent": migration.shadow.percent, "by": migration.shadow.by}


def policy_lines(found: dict[str, Any]) -> list[tuple[str, str]]:
    """`policies` for people: titles and what they say."""
    lines = [("rate limit", _said_limit(limit)) for limit in found["rate_limits"]]
    lines.append(("timeouts", ", ".join(f"{name} {seconds:g} s" for name, seconds in found["timeouts"].items())))
    retries = found["retries"]
    if retries is not None:
        when = "" if retries["sent"] else ", only while nothing was sent"
        answers = f", also after {_listed(retries['statuses'])}" if retries["statuses"] else ""
        lines.append(("retries", f"{retries['attempts']}{when}{answers}"))
    others = [(other["answers"], _listed(other["statuses"])) for other in found["fallback"]]
    lines += [("fallback", f"{answers}, also after {statuses}") for answers, statuses in others]
    copies = found["shadow"]
    if copies is not None:
        share = f"{copies['percent']:g} % by {copies['by']}"
        lines.append(("shadow", f"copied to {copies['copied_to']}, {share}"))
    return lines


def _said_limit(limit: dict[str, Any]) -> str:
    keys = f" by {', '.join(limit['key'])}" if limit["key"] else ""
    return f"{limit['requests']} in {limit['per']:g} s, {limit['burst']} at once{keys}"


def _listed(statuses: list[int]) -> str:
    return ", ".join(map(str, statuses))
