"""What a data plane works out of a snapshot before it serves by it; another thread may do that."""

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
    """What holds of all routes of a snapshot together.

    `any_total` tells whether an exchange may have a deadline as a whole, `stale`
    are the settings of kept answers by route.
    """

    any_total: bool
    rate_limited: bool
    stale: Mapping[str, Stale]


def derive(snapshot: Snapshot) -> Derived:
    """What follows from `snapshot`; contexts for TLS are made, too, as reading the authorities takes its time."""
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
