"""The state of upstreams, from the workers' reports, the health checks and discovery.

Each worker has its own ejections, breakers and concurrency limits, so their
states are shown as the number of workers in each state.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client.core import GaugeMetricFamily

from strangler.control.upstreams.health import EndpointKey
from strangler.model.snapshot import Snapshot
from strangler.model.upstream import Endpoint
from strangler.observe.worker_report import UpstreamState, WorkerReport
from strangler.resilience.health import EndpointHealth


def upstreams_as_json(
    snapshot: Snapshot,
    addresses: Mapping[str, tuple[Endpoint, ...]],
    health: Mapping[EndpointKey, EndpointHealth],
    reports: Iterable[WorkerReport],
) -> dict[str, Any]:
    """Every upstream with its endpoints, and every side of a migration that has a breaker."""
    states = by_upstream(reports)
    upstreams: dict[str, Any] = {}
    for name, upstream in snapshot.upstreams.items():
        seen = states.get(name, [])
        upstreams[name] = {"endpoints": [], **_guards(seen, upstream.concurrency is not None)}
        for endpoint in addresses.get(name) or upstream.endpoints:
            checked = health.get((name, endpoint.url))
            upstreams[name]["endpoints"].append(
                {
                    "url": endpoint.url,
                    "up": checked.up if checked is not None else None,
                    "last_check": checked.last if checked is not None else None,
                    "ejected_by_workers": sum(endpoint.url in state.ejected for state in seen),
                }
            )
    for name, seen in states.items():
        if name not in upstreams:
            upstreams[name] = _guards(seen, False)
    return upstreams


def upstream_gauges(snapshot: Snapshot, reports: Iterable[WorkerReport]) -> Iterator[GaugeMetricFamily]:
    """The same for Prometheus."""
    breakers = GaugeMetricFamily(
        "strangler_breaker_state", "Workers whose breaker is in the state.", labels=("upstream", "state")
    )
    ejected = GaugeMetricFamily(
        "strangler_endpoint_ejected", "Workers that eject the endpoint.", labels=("upstream", "endpoint")
    )
    requests = GaugeMetricFamily(
        "strangler_concurrency", "Requests at an upstream with a concurrency limit.", labels=("upstream", "state")
    )
    for name, seen in by_upstream(reports).items():
        if any(state.breaker for state in seen):
            counted = Counter(state.breaker for state in seen)
            for state in ("closed", "half_open", "open"):
                breakers.add_metric((name, state), counted[state])
        upstream = snapshot.upstreams.get(name)
        ejections = Counter(url for state in seen for url in state.ejected)
        if upstream is not None and upstream.ejection is not None and upstream.resolve is None:
            ejections.update(dict.fromkeys((endpoint.url for endpoint in upstream.endpoints), 0))
        for url, times in ejections.items():
            ejected.add_metric((name, url), times)
        if upstream is not None and upstream.concurrency is not None:
            requests.add_metric((name, "running"), sum(state.running for state in seen))
            requests.add_metric((name, "waiting"), sum(state.waiting for state in seen))
    yield from (breakers, ejected, requests)


def endpoint_gauge(health: Mapping[EndpointKey, EndpointHealth]) -> GaugeMetricFamily:
    """Which endpoints the health checks find up."""
    up = GaugeMetricFamily(
        "strangler_endpoint_up", "1 where the health checks find the endpoint up.", labels=("upstream", "endpoint")
    )
    for (upstream, url), checked in health.items():
        up.add_metric((upstream, url), int(checked.up))
    return up


def by_upstream(reports: Iterable[WorkerReport]) -> dict[str, list[UpstreamState]]:
    """The workers' states of each upstream."""
    states: dict[str, list[UpstreamState]] = {}
    for report in reports:
        for name, state in report.upstreams.items():
            states.setdefault(name, []).append(state)
    return states


def _guards(seen: list[UpstreamState], limited: bool) -> dict[str, Any]:
    breakers = Counter(state.breaker for state in seen if state.breaker)
    guards: dict[str, Any] = {}
    if breakers:
        guards["breaker"] = {"workers": dict(breakers), "opened": sum(state.opened for state in seen)}
    if limited:
        guards["concurrency"] = {
            "running": sum(state.running for state in seen),
            "waiting": sum(state.waiting for state in seen),
        }
    return guards
