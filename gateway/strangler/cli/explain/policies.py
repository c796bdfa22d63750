"""The policies of `strangler explain`: what holds for a request beside where it goes."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from strangler.config.schema.json_schema import spell_size
from strangler.model.methods import IDEMPOTENT, SAFE
from strangler.model.migration import Migration, SideName
from strangler.model.resilience import Retries
from strangler.model.route import Route
from strangler.model.snapshot import Snapshot
from strangler.proxy.exchange.hedging import HEDGED
from strangler.resilience.fallback import fallback_of, may_answer
from strangler.routing.decide import Decision


def policies(snapshot: Snapshot, decision: Decision, method: str) -> dict[str, Any]:
    """The policies for a request that was decided for an upstream, under the names that they have in the YAML.

    What is None or empty does not hold for it. Durations are seconds, sizes bytes.
    """
    route = decision.route
    assert decision.upstream is not None
    upstream = snapshot.upstreams[decision.upstream]
    timeouts = upstream.timeouts if route is None else route.timeouts.get(upstream.name, upstream.timeouts)
    # How many addresses a name has is known to the running gateway alone.
    others = upstream.resolve is not None or len({endpoint.url for endpoint in upstream.endpoints}) > 1
    return {
        "rate_limits": [] if route is None else _rate_limits(route),
        "body_bytes": (route.body_bytes if route is not None else None) or snapshot.limits.body_bytes,
        "timeouts": {name: value for name, value in asdict(timeouts).items() if value is not None},
        "retries": _retries(Retries() if route is None else route.retries, method, others),
        "hedging": None if route is None else _hedging(route, method, others),
        "fallback": [] if route is None else _fallback(route, decision, method),
        "shadow": None if route is None else _shadow(route.migration, decision.side, method),
    }


def _rate_limits(route: Route) -> list[dict[str, Any]]:
    return [
        {"requests": limit.requests, "per": limit.per, "burst": limit.burst, "key": [str(key) for key in limit.keys]}
        for limit in route.rate_limits
    ]


def _retries(settings: Retries, method: str, others: bool) -> dict[str, Any] | None:
    """How a request is sent again, to an upstream that may have `others` than the endpoint that failed.

    `sent` tells whether one may be of which something was sent already. Without
    a connection the other endpoints have their turn whatever `attempts` are.
    """
    if not others and not (settings.same_endpoint and settings.attempts):
        return None
    named = method in settings.methods and settings.attempts > 0
    sent = named and method in IDEMPOTENT
    statuses = sorted(settings.statuses) if named else []
    return {
        "attempts": settings.attempts if sent or statuses or settings.same_endpoint else 0,
        "sent": sent,
        "timeouts": sent and settings.timeouts,
        "statuses": statuses,
        "other_endpoints": others,
        "same_endpoint": settings.same_endpoint,
    }


def _hedging(route: Route, method: str, others: bool) -> dict[str, Any] | None:
    return asdict(route.hedging) if route.hedging is not None and others and method in HEDGED else None


def _fallback(route: Route, decision: Decision, method: str) -> list[dict[str, Any]]:
    """Who answers where the upstream can't, in their order; `sent` is as for retries."""
    found: list[dict[str, Any]] = []
    migration, choice = route.migration, decision.choice
    if migration is not None and decision.side == "extracted" and not (choice is not None and choice.overridden):
        legacy = fallback_of(migration, method)
        if legacy is not None:
            safe = method in SAFE
            statuses = sorted(legacy.statuses) if safe else []
            found.append({"answers": migration.legacy, "sent": safe, "statuses": statuses})
    if route.fallback is not None:
        statuses = sorted(route.fallback.statuses)
        if route.fallback.stale is not None and method == "GET":
            found.append({"answers": "stale", "sent": True, "statuses": statuses})
        if route.fallback.static is not None and may_answer(route.fallback.static, method):
            found.append({"answers": "static", "sent": True, "statuses": statuses})
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
    lines.append(("body", f"{spell_size(found['body_bytes'])} at most"))
    lines.append(("timeouts", ", ".join(f"{name} {seconds:g} s" for name, seconds in found["timeouts"].items())))
    if found["retries"] is not None:
        lines.append(("retries", _said_retries(found["retries"])))
    if found["hedging"] is not None:
        lines.append(("hedging", f"after {found['hedging']['after']:g} s, at another endpoint"))
    lines += [("fallback", other["answers"] + _said_when(other)) for other in found["fallback"]]
    copies = found["shadow"]
    if copies is not None:
        share = f"{copies['percent']:g} % by {copies['by']}"
        lines.append(("shadow", f"copied to {copies['copied_to']}, {share}"))
    return lines


def _said_limit(limit: dict[str, Any]) -> str:
    keys = f" by {', '.join(limit['key'])}" if limit["key"] else ""
    return f"{limit['requests']} in {limit['per']:g} s, {limit['burst']} at once{keys}"


def _said_retries(retries: dict[str, Any]) -> str:
    said = []
    if retries["attempts"]:
        where = ["another"] * retries["other_endpoints"] + ["the same"] * retries["same_endpoint"]
        said.append(f"{retries['attempts']}, at {' or '.join(where)} endpoint{_said_when(retries)}")
    if retries["other_endpoints"]:
        said.append("without a connection each other endpoint once")
    return "; ".join(said)


def _said_when(policy: dict[str, Any]) -> str:
    """When it comes to a second attempt, or to another who answers."""
    only = "" if policy["sent"] else ", only while nothing was sent"
    after = [*(["timeouts"] if policy.get("timeouts") else []), *map(str, policy["statuses"])]
    return f"{only}, also after {', '.join(after)}" if after else only
