"""Prometheus' text format, and the metrics of the traffic: what the workers counted and the judge compared.

Names follow Prometheus' conventions: base units, `_total` for counters. A
route's label is its name in the configuration, never a path, and a status is a
registered one or its class, so the number of series is bounded by the
configuration.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from strangler.control.status.totals import WorkerTotals
from strangler.observe.counters import BUCKETS

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_LABELS = ("route", "side", "upstream", "status")


class _Collector(Collector):
    def __init__(self, families: Callable[[], Iterator[Metric]]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from self._families()


def exposition(families: Callable[[], Iterator[Metric]]) -> bytes:
    """All `families` in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Collector(families))
    return generate_latest(registry)


def traffic_families(totals: WorkerTotals) -> Iterator[Metric]:
    """What the workers counted."""
    requests = CounterMetricFamily("strangler_requests", "Finished exchanges.", labels=_LABELS)
    sent = CounterMetricFamily("strangler_response_body_bytes", "Response body bytes sent to clients.", labels=_LABELS)
    seconds = HistogramMetricFamily(
        "strangler_request_duration_seconds",
        "Time from the request's head to the end of its response.",
        labels=_LABELS,
    )
    for labels, figures in totals.requests.items():
        requests.add_metric(labels, figures.requests)
        sent.add_metric(labels, figures.bytes_out)
        seconds.add_metric(labels, _cumulative(figures.buckets), figures.seconds)
    yield from (requests, sent, seconds)
    yield _migration_requests(totals)
    events = CounterMetricFamily(
        "strangler_events", "Events other than finished exchanges, such as retries.", labels=("event", "label")
    )
    for (event, label), times in totals.events.items():
        events.add_metric((event, label), times)
    yield events
    passed = CounterMetricFamily(
        "strangler_tunnel_bytes", "Bytes forwarded after 101, by sender: client or upstream.", labels=("sender",)
    )
    for sender, size in totals.tunnel_bytes.items():
        passed.add_metric((sender,), size)
    yield passed
    fallbacks = CounterMetricFamily(
        "strangler_fallbacks",
        "Requests whose response came from a fallback because their upstream failed.",
        labels=("route", "migration", "answered_by", "cause"),
    )
    for fallback, times in totals.fallbacks.items():
        fallbacks.add_metric(fallback, times)
    yield fallbacks


def _migration_requests(totals: WorkerTotals) -> Metric:
    """The same requests by side of a migration, as the objectives of a rollout count them."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for (route, side, _, status), figures in totals.requests.items():
        migration = totals.migrations.get(route)
        if migration is not None and side:
            counts[migration, side, "failed" if status.startswith("5") else "served"] += figures.requests
    family = CounterMetricFamily(
        "strangler_migration_requests",
        "Finished exchanges by the side that served them; failed ones have a status of 500 or more.",
        labels=("migration", "side", "result"),
    )
    for labels, times in counts.items():
        family.add_metric(labels, times)
    return family


def _cumulative(buckets: list[int]) -> list[tuple[str, float]]:
    total = 0
    pairs: list[tuple[str, float]] = []
    for bound, count in zip((*map(str, BUCKETS), "+Inf"), buckets, strict=True):
        total += count
        pairs.append((bound, total))
    return pairs


def shadow_pairs(outcomes: Mapping[str, Mapping[tuple[str, str], int]]) -> CounterMetricFamily:
    """The `outcomes` of each migration: how many requests had which outcome for which reason."""
    family = CounterMetricFamily(
        "strangler_shadow_pairs",
        "Requests of shadowed migrations by outcome; `reason` is why a request was not compared, or a rule.",
        labels=("migration", "outcome", "reason"),
    )
    for migration, counts in outcomes.items():
        for (outcome, reason), count in counts.items():
            family.add_metric((migration, outcome, reason), count)
    return family
