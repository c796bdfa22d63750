"""The workers for Prometheus: how many run, how often they were replaced, and their connections."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from strangler.observe.worker_report import WorkerReport


def worker_families(reports: Collection[WorkerReport], configured: int, restarts: int) -> Iterator[Metric]:
    """The metrics of the workers that run, from the newest report of each."""
    yield GaugeMetricFamily("strangler_workers", "Worker processes running.", len(reports))
    yield GaugeMetricFamily("strangler_workers_configured", "Worker processes that should run.", configured)
    yield CounterMetricFamily(
        "strangler_worker_restarts", "Workers that ended and were replaced since the start.", restarts
    )
    yield GaugeMetricFamily(
        "strangler_client_connections",
        "Open client connections.",
        sum(report.client_connections for report in reports),
    )
    yield GaugeMetricFamily(
        "strangler_tunnels",
        "Open client connections that have switched protocols, such as WebSockets.",
        sum(report.tunnels for report in reports),
    )
    yield _upstream_connections(reports)


def _upstream_connections(reports: Collection[WorkerReport]) -> Metric:
    idle: Counter[str] = Counter()
    busy: Counter[str] = Counter()
    for report in reports:
        for url, counts in report.upstream_connections.items():
            idle[url] += counts.idle
            busy[url] += counts.open - counts.idle
    connections = GaugeMetricFamily(
        "strangler_upstream_connections", "Open connections to endpoints.", labels=("endpoint", "state")
    )
    for url in idle:
        connections.add_metric((url, "idle"), idle[url])
        connections.add_metric((url, "busy"), busy[url])
    return connections
