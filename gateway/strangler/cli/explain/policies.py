"""Policies of one request for `strangler explain`: limits, deadlines, retries, fallbacks and copies."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from strangler.config.schema.json_schema import spell_size
from strangler.model.methods import IDEMPOTENT, SAFE
from strangler.model.migration import Migration, SideName
from strangler.model.resilience import Hedging, Retries
from strangler.model.route import Route
from strangler.model.snapshot import Snapshot
from strangler.proxy.exchange.hedging import HEDGED
from strangler.resilience.fallback import fallback_of, may_answer
from strangler.routing.decide import Decision


@dataclass(frozen=True, slots=True)
class RateLimitPolicy:
    """How many requests each caller may send; `key` identifies callers."""

    requests: int
    per: float
    burst: int
    key: list[str]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How a request is sent again.

    `sent` tells whether it may be after something of it was sent. Without a
    connection the other endpoints are tried whatever `attempts` are.
    """

    attempts: int
    sent: bool
    timeouts: bool
    statuses: list[int]
    other_endpoints: bool
    same_endpoint: bool


@dataclass(frozen=True, slots=True)
class FallbackPolicy:
    """What responds where the upstream can't: an upstream, `stale` or `static`; `sent` is as for retries."""

    answers: str
    sent: bool
    statuses: list[int]


@dataclass(frozen=True, slots=True)
class CopyPolicy:
    """Where the request is copied to, and which share of `by` callers or requests is."""

    copied_to: str
    percent: float
    by: str


@dataclass(frozen=True, slots=True)
class Policies:
    """The policies of a request, under the names that they have in the YAML and in JSON.

    What is None or empty does not hold for it. Durations are seconds, sizes bytes.
    """

    rate_limits: list[RateLimitPolicy]
    body_bytes: int
    timeouts: dict[str, float]
    retries: RetryPolicy | None
    hedging: Hedging | None = None
    fallback: list[FallbackPolicy] = field(default_factory=list)
    shadow: CopyPolicy | None = None


def policies(snapshot: Snapshot, decision: Decision, method: str) -> Policies:
    """The policies of a request that was decided for an upstream."""
    route = decision.route
    assert decision.upstream is not None
    upstream = snapshot.upstreams[decision.upstream]
    timeouts = upstream.timeouts if route is None else route.timeouts.get(upstream.name, upstream.timeouts)
    # How many addresses a name has is known to the running gateway alone.
    others = upstream.resolve is not None or len({endpoint.url for endpoint in upstream.endpoints}) > 1
    return Policies(
        rate_limits=[] if route is None else _rate_limits(route),
        body_bytes=(route.body_bytes if route is not None else None) or snapshot.limits.body_bytes,
        timeouts={name: value for name, value in asdict(timeouts).items() if value is not None},
        retries=_retries(Retries() if route is None else route.retries, method, others),
        hedging=route.hedging if route is not None and others and method in HEDGED else None,
        fallback=[] if route is None else _fallback(route, decision, method),
        shadow=None if route is None else _shadow(route.migration, decision.side, method),
    )


def _rate_limits(route: Route) -> list[RateLimitPolicy]:
    return [
        RateLimitPolicy(limit.requests, limit.per, limit.burst, [str(key) for key in limit.keys])
        for limit in route.rate_limits
    ]


def _retries(settings: Retries, method: str, others: bool) -> RetryPolicy | None:
    """How a request is sent again to an upstream; `others` tells whether it may have more than one endpoint."""
    if not others and not (settings.same_endpoint and settings.attempts):
        return None
    named = method in settings.methods and settings.attempts > 0
    sent = named and method in IDEMPOTENT
    statuses = sorted(settings.statuses) if named else []
    return RetryPolicy(
        attempts=settings.attempts if sent or statuses or settings.same_endpoint else 0,
        sent=sent,
        timeouts=sent and settings.timeouts,
        statuses=statuses,
        other_endpoints=others,
        same_endpoint=settings.same_endpoint,
    )


def _fallback(route: Route, decision: Decision, method: str) -> list[FallbackPolicy]:
    """What responds where the upstream can't, in the order in which it is tried."""
    policies: list[FallbackPolicy] = []
    migration, choice = route.migration, decision.choice
    if migration is not None and decision.side == "extracted" and not (choice is not None and choice.overridden):
        legacy = fallback_of(migration, method)
        if legacy is not None:
            safe = method in SAFE
            policies.append(FallbackPolicy(migration.legacy, safe, sorted(legacy.statuses) if safe else []))
    if route.fallback is not None:
        statuses = sorted(route.fallback.statuses)
        if route.fallback.stale is not None and method == "GET":
            policies.append(FallbackPolicy("stale", True, statuses))
        if route.fallback.static is not None and may_answer(route.fallback.static, method):
            policies.append(FallbackPolicy("static", True, statuses))
    return policies


def _shadow(migration: Migration | None, side: SideName | None, method: str) -> CopyPolicy | None:
    if migration is None or migration.shadow is None or side is None:
        return None
    copied_to = migration.copied_to(side, method)
    if copied_to is None:
        return None
    return CopyPolicy(copied_to, migration.shadow.percent, migration.shadow.by)


def policy_lines(policies: Policies) -> list[tuple[str, str]]:
    """Policies for people: titles and values."""
    lines = [("rate limit", _limit_text(limit)) for limit in policies.rate_limits]
    lines.append(("body", f"{spell_size(policies.body_bytes)} at most"))
    lines.append(("timeouts", ", ".join(f"{name} {seconds:g} s" for name, seconds in policies.timeouts.items())))
    if policies.retries is not None:
        lines.append(("retries", _retry_text(policies.retries)))
    if policies.hedging is not None:
        lines.append(("hedging", f"after {policies.hedging.after:g} s, at another endpoint"))
    lines += [("fallback", other.answers + _when(other.sent, False, other.statuses)) for other in policies.fallback]
    if policies.shadow is not None:
        share = f"{policies.shadow.percent:g} % by {policies.shadow.by}"
        lines.append(("shadow", f"copied to {policies.shadow.copied_to}, {share}"))
    return lines


def _limit_text(limit: RateLimitPolicy) -> str:
    keys = f" by {', '.join(limit.key)}" if limit.key else ""
    return f"{limit.requests} in {limit.per:g} s, {limit.burst} at once{keys}"


def _retry_text(retries: RetryPolicy) -> str:
    parts = []
    if retries.attempts:
        where = ["another"] * retries.other_endpoints + ["the same"] * retries.same_endpoint
        when = _when(retries.sent, retries.timeouts, retries.statuses)
        parts.append(f"{retries.attempts}, at {' or '.join(where)} endpoint{when}")
    if retries.other_endpoints:
        parts.append("without a connection each other endpoint once")
    return "; ".join(parts)


def _when(sent: bool, timeouts: bool, statuses: list[int]) -> str:
    """When there is a second attempt, or a fallback."""
    only = "" if sent else ", only while nothing was sent"
    after = [*(["timeouts"] if timeouts else []), *map(str, statuses)]
    return f"{only}, also after {', '.join(after)}" if after else only
