"""Data computed from a snapshot before a data plane serves by it; another thread may compute it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from strangler.proxy.upstream.endpoint_pool import context_of

if TYPE_CHECKING:
    from strangler.model.resilience import Stale
    from strangler.model.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Derived:
    """Facts about all routes of a snapshot together.

    `any_total` is whether any exchange has a total deadline, `stale` are the
    settings for stored responses by route.
    """

    any_total: bool
    rate_limited: bool
    stale: Mapping[str, Stale]


def derive(snapshot: Snapshot) -> Derived:
    """Compute the data of `snapshot`, including TLS contexts, because reading the authorities takes time."""
    any_total = any(upstream.timeouts.total is not None for upstream in snapshot.upstreams.values())
    rate_limited = False
    stale: dict[str, Stale] = {}
    for route in snapshot.routes:
        any_total = any_total or any(timeouts.total is not None for timeouts in route.timeouts.values())
        rate_limited = rate_limited or bool(route.rate_limits)
        if route.fallback is not None and route.fallback.stale is not None:
            stale[route.name] = route.fallback.stale
    for upstream in snapshot.upstreams.values():
        if any(endpoint.tls for endpoint in upstream.endpoints):
            context_of(upstream.tls)
    return Derived(any_total, rate_limited, stale)
