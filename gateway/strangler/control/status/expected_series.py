"""The series that a configuration can lead to, so that each of them exists at 0 before its first event.

Prometheus' `rate` and `increase` need two samples: of a counter that appears
with its first event, that event is lost, which matters most for rare failures.
Statuses that upstreams choose, and events whose label is a reason, can't be
foreseen; alerts use none of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from strangler.model.route import Route
from strangler.model.snapshot import Snapshot
from strangler.model.upstream import Upstream
from strangler.observe.worker_report import FallbackLabels
from strangler.resilience.retry import Cause

TotalLabels = tuple[str, str, str, str]
"""Route, side, upstream, and the status's label."""

STATUSES = ("200", "500", "502", "503", "504")
"""The usual success and the failures that alerts are about."""
MOST_REQUEST_SERIES = 500
"""Each has 19 samples; beyond these, the series of further routes begin with their first request."""

_OF_UPSTREAMS = ("connect_retries", "retries", "retries_over_budget", "stale_connection_retries")
_OF_BREAKERS = ("breaker_opened", "breaker_lets_probes_through", "breaker_closed")
_OF_EJECTION = ("endpoint_ejected", "endpoint_takes_requests_again")
_OF_HEDGING = ("hedges", "hedges_won")
_OF_LIMITS = "rate_limited"
_OF_SESSIONS = ("session_call", "session_call_refused")
_REFUSED_BY_BREAKER = "breaker_refusals"
_REFUSED_BY_CONCURRENCY = "concurrency_refusals"
_TUNNEL_OPENED = "tunnels_opened"
_WITHOUT_CLOSE_NOTIFY = "response_ended_without_close_notify"
_LABELS_OF_EVENT = {
    "dropped_log_lines": ("",),
    "out_of_descriptors": ("accept", "connect"),
    "rate_limit_buckets_forgotten": ("",),
    "rate_limits_without_redis": ("local", "refuse"),
    "refused_requests": ("400", "408", "413", "414", "429", "431", "503"),
    "visitor_cookies_left_out": ("",),
}


def request_labels(snapshot: Snapshot) -> Iterator[TotalLabels]:
    """Route, side, upstream and status of the requests that `snapshot` leads to, at most MOST_REQUEST_SERIES."""
    for number, labels in enumerate(_request_labels(snapshot)):
        if number == MOST_REQUEST_SERIES:
            return
        yield labels


def _request_labels(snapshot: Snapshot) -> Iterator[TotalLabels]:
    for status in STATUSES:
        if snapshot.default is not None:
            yield "", "", snapshot.default, status
        for route in snapshot.routes:
            for side, upstream in _sides(route):
                yield route.name, side, upstream, status


def _sides(route: Route) -> tuple[tuple[str, str], ...]:
    migration = route.migration
    if migration is None:
        return (("", route.upstream),)
    return ("legacy", migration.legacy), ("extracted", migration.extracted)


def event_labels(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Event and label of the events that `snapshot` can lead to; some come twice."""
    for event, labels in _LABELS_OF_EVENT.items():
        for label in labels:
            yield event, label
    for upstream in snapshot.upstreams.values():
        for event in _events_of(upstream):
            yield event, upstream.name
    for route in snapshot.routes:
        for limit in route.rate_limits:
            yield _OF_LIMITS, limit.name
        if route.hedging is not None:
            for event in _OF_HEDGING:
                for _, name in _sides(route):
                    yield event, name
    for migration in snapshot.migrations.values():
        if migration.breaker is not None:
            for side, name in (("legacy", migration.legacy), ("extracted", migration.extracted)):
                yield _REFUSED_BY_BREAKER, name
                for event in _OF_BREAKERS:
                    yield event, f"{migration.name} ({side})"
    for provider in snapshot.providers.values():
        if provider.session is not None:
            for event in _OF_SESSIONS:
                yield event, provider.session.upstream
            for event in _OF_BREAKERS:
                yield event, provider.session.name


def _events_of(upstream: Upstream) -> Iterator[str]:
    yield from _OF_UPSTREAMS
    if upstream.breaker is not None:
        yield from (_REFUSED_BY_BREAKER, *_OF_BREAKERS)
    if upstream.concurrency is not None:
        yield _REFUSED_BY_CONCURRENCY
    if upstream.ejection is not None:
        yield from _OF_EJECTION
    if upstream.upgrades:
        yield _TUNNEL_OPENED
    if any(endpoint.tls for endpoint in upstream.endpoints):
        yield _WITHOUT_CLOSE_NOTIFY


def fallback_labels(snapshot: Snapshot) -> Iterator[FallbackLabels]:
    """Route, migration, kind and cause of the fallbacks that `snapshot` allows."""
    for route in snapshot.routes:
        migration = route.migration
        kinds = []
        if migration is not None and migration.fallback is not None:
            kinds.append("legacy")
        if route.fallback is not None:
            kinds += [
                kind for kind, there in (("stale", route.fallback.stale), ("static", route.fallback.static)) if there
            ]
        for kind in kinds:
            for cause in get_args(Cause):
                yield route.name, "" if migration is None else migration.name, kind, cause


def migrations_of_routes(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Each route of a migration, and the migration's name."""
    for route in snapshot.routes:
        if route.migration is not None:
            yield route.name, route.migration.name
