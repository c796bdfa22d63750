"""The sums of what all workers counted, as Prometheus reads them.

Names follow Prometheus' conventions: base units, `_total` for counters. A
route's label is its name in the configuration, never a path, and a status is a
registered one or its class, so the number of series is bounded by the
configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from strangler.observe.counters import BUCKETS, MANY, MOST_EVENTS, FallbackLabels, Report

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_LABELS = ("route", "side", "upstream", "status")
_STATUSES = {int(status): str(int(status)) for status in HTTPStatus} | {499: "499"}

SummedLabels = tuple[str, str, str, str]
"""Route, side, upstream, and the status's label."""


def status_label(status: int) -> str:
    """The status where it is a registered one (or 499, ours), else its class, such as `5xx`."""
    return _STATUSES.get(status) or f"{status // 100}xx"


class Sums:
    """What was counted since the control process started."""

    def __init__(self) -> None:
        self.requests: dict[SummedLabels, tuple[int, float, int, list[int]]] = {}
        self.events: dict[tuple[str, str], int] = {}
        self.tunnel_bytes = {"client": 0, "upstream": 0}
        self.fallbacks: dict[FallbackLabels, int] = {}

    def add(self, report: Report) -> None:
        """Add one worker's figures."""
        for (route, side, upstream, status), (count, seconds, bytes_out, buckets) in report.requests.items():
            labels = (route, side, upstream, status_label(status))
            known = self.requests.get(labels)
            if known is None:
                self.requests[labels] = (count, seconds, bytes_out, list(buckets))
            else:
                summed = [a + b for a, b in zip(known[3], buckets, strict=True)]
                self.requests[labels] = (known[0] + count, known[1] + seconds, known[2] + bytes_out, summed)
        for sender, size in report.tunnel_bytes.items():
            self.tunnel_bytes[sender] += size
        for key, times in report.events.items():
            name, _ = key
            if key not in self.events and len(self.events) >= MOST_EVENTS:
                key = (name, MANY)
            self.events[key] = self.events.get(key, 0) + times
        for answered, times in report.fallbacks.items():
            self.fallbacks[answered] = self.fallbacks.get(answered, 0) + times

    def fallbacks_of(self, migration: str) -> dict[str, int]:
        """How often the legacy side answered for the extracted side of `migration`, by cause."""
        found: dict[str, int] = {}
        for (_, of, answered_by, cause), times in self.fallbacks.items():
            if of == migration and answered_by == "legacy":
                found[cause] = found.get(cause, 0) + times
        return found


class _Collector(Collector):
    def __init__(self, sums: Sums, others: Callable[[], Iterator[Metric]]) -> None:
        self._sums = sums
        self._others = others

    def collect(self) -> Iterator[Metric]:
        requests = CounterMetricFamily("strangler_requests", "Finished exchanges.", labels=_LABELS)
        sent = CounterMetricFamily(
            "strangler_response_body_bytes", "Response body bytes sent to clients.", labels=_LABELS
        )
        seconds = HistogramMetricFamily(
            "strangler_request_duration_seconds",
            "From a request's head to the end of its response.",
            labels=_LABELS,
        )
        for labels, (count, total, size, buckets) in self._sums.requests.items():
            requests.add_metric(labels, count)
            sent.add_metric(labels, size)
            seconds.add_metric(labels, _cumulative(buckets), total)
        yield from (requests, sent, seconds)
        events = CounterMetricFamily("strangler_events", "What happened beside requests.", labels=("event", "label"))
        for (event, label), times in self._sums.events.items():
            events.add_metric((event, label), times)
        yield events
        passed = CounterMetricFamily(
            "strangler_tunnel_bytes", "Bytes passed on after 101, by who sent them.", labels=("sender",)
        )
        for sender, size in self._sums.tunnel_bytes.items():
            passed.add_metric((sender,), size)
        yield passed
        fallbacks = CounterMetricFamily(
            "strangler_fallbacks",
            "Requests that were answered because their upstream could not.",
            labels=("route", "migration", "answered_by", "cause"),
        )
        for answered, times in self._sums.fallbacks.items():
            fallbacks.add_metric(answered, times)
        yield fallbacks
        yield from self._others()


def _cumulative(buckets: list[int]) -> list[tuple[str, float]]:
    total = 0
    pairs: list[tuple[str, float]] = []
    for bound, count in zip((*map(str, BUCKETS), "+Inf"), buckets, strict=True):
        total += count
        pairs.append((bound, total))
    return pairs


def shadow_pairs(outcomes: Mapping[str, Mapping[tuple[str, str], int]]) -> CounterMetricFamily:
    """What became of the requests of shadowed migrations: by migration, how often each outcome and reason."""
    family = CounterMetricFamily(
        "strangler_shadow_pairs",
        "Requests of shadowed migrations, by what the comparison came to; `reason` is why not compared, or a rule.",
        labels=("migration", "outcome", "reason"),
    )
    for migration, counts in outcomes.items():
        for (outcome, reason), count in counts.items():
            family.add_metric((migration, outcome, reason), count)
    return family


def exposition(sums: Sums, others: Callable[[], Iterator[Metric]]) -> bytes:
    """All metrics in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Collector(sums, others))
    return generate_latest(registry)
