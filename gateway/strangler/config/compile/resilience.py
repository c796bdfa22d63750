"""How failures are handled: from the sections to the model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from strangler.config.schema.resilience import (
    BalancingSection,
    BreakerSection,
    EjectionSection,
    LegacyFallbackSection,
    ResolveSection,
    RetriesSection,
    RouteFallbackSection,
    RouteTimeoutsSection,
)
from strangler.model.resilience import (
    Balancing,
    BreakerSettings,
    Ejection,
    LegacyFallback,
    Resolve,
    Retries,
    RouteFallback,
    Stale,
    StaticResponse,
)
from strangler.model.upstream import Timeouts


def route_timeouts(
    upstreams: Mapping[str, Timeouts], said: Iterable[RouteTimeoutsSection | None]
) -> dict[str, Timeouts]:
    """The deadlines of a route by upstream; empty if they are the upstreams' own. The last of `said` wins."""
    changes = {
        name: value
        for section in said
        if section is not None
        for name, value in section.model_dump(exclude_none=True).items()
    }
    return {name: replace(timeouts, **changes) for name, timeouts in upstreams.items()} if changes else {}


def compile_resolve(section: ResolveSection | None) -> Resolve | None:
    """How names are looked up."""
    if section is None:
        return None
    return Resolve(section.interval, section.timeout, tuple(section.nameservers))


def compile_balancing(section: BalancingSection) -> Balancing:
    """Which endpoint gets a request."""
    return Balancing(section.policy, tuple(section.key), section.slow_start)


def compile_ejection(section: EjectionSection) -> Ejection | None:
    """When endpoints are ejected, None for never."""
    if not section.enabled:
        return None
    said = section.model_dump(exclude={"enabled", "statuses"})
    return Ejection(**said, statuses=frozenset(section.statuses))


def compile_breaker(section: BreakerSection | None) -> BreakerSettings | None:
    """When a breaker opens and closes."""
    return None if section is None else BreakerSettings(**section.model_dump())


def compile_retries(section: RetriesSection) -> Retries:
    """When a request is sent again."""
    said = section.model_dump(exclude={"methods", "statuses"})
    return Retries(**said, methods=frozenset(map(str, section.methods)), statuses=frozenset(section.statuses))


def compile_legacy_fallback(section: LegacyFallbackSection) -> LegacyFallback | None:
    """When the legacy side serves requests in place of the extracted one; None for never."""
    if not section.enabled:
        return None
    return LegacyFallback(frozenset(map(str, section.methods)), frozenset(section.statuses))


def compile_route_fallback(section: RouteFallbackSection | None) -> RouteFallback | None:
    """The response of a route when no upstream gives one."""
    if section is None:
        return None
    static = section.static
    return RouteFallback(
        statuses=frozenset(section.statuses),
        stale=None if section.stale is None else Stale(section.stale.if_error, section.stale.memory),
        static=None
        if static is None
        else StaticResponse(static.status, str(static.content_type), static.body.encode()),
    )
