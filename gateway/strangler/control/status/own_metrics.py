"""The gateway's own state for Prometheus: build, key sets, Redis, the store of evidence, the configuration."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from strangler.control.configuration import RunningConfiguration
from strangler.control.judge.handle import JudgeHandle
from strangler.control.key_sets.source import KeySetSource
from strangler.observe.worker_report import WorkerReport


def build_family() -> Metric:
    """The running version."""
    family = GaugeMetricFamily(
        "strangler_build_info", "1; the labels name the running versions.", labels=("version", "python")
    )
    family.add_metric((version(), platform.python_version()), 1)
    return family


def version() -> str:
    """The version of the installed distribution, "unknown" where there is none."""
    try:
        return metadata.version("strangler-gateway")
    except metadata.PackageNotFoundError:
        return "unknown"


def key_set_families(sources: Mapping[str, KeySetSource]) -> Iterator[Metric]:
    """The age of each provider's key set, and whether the last fetch failed."""
    labels = ("provider",)
    available = GaugeMetricFamily(
        "strangler_key_set_available",
        "1 where the provider has keys; without keys its routes refuse requests.",
        labels=labels,
    )
    age = GaugeMetricFamily(
        "strangler_key_set_age_seconds", "Time since the key set was last fetched successfully.", labels=labels
    )
    error = GaugeMetricFamily(
        "strangler_key_set_error", "1 where the last fetch failed; /status says why.", labels=labels
    )
    now = datetime.now(UTC)
    for name, source in sources.items():
        available.add_metric((name,), int(source.document is not None))
        error.add_metric((name,), int(source.last_error is not None))
        if source.fetched_at is not None:
            age.add_metric((name,), max(0.0, (now - datetime.fromisoformat(source.fetched_at)).total_seconds()))
    yield from (available, age, error)


def redis_families(reports: Iterable[WorkerReport]) -> Iterator[Metric]:
    """In how many workers the Redis of rate limits works, or why it does not."""
    states = redis_as_json(reports)
    if states is None:
        return
    workers = GaugeMetricFamily(
        "strangler_redis_workers",
        "Workers by the state of their rate limits' Redis, up or away; cause is the kind of error.",
        labels=("state", "cause"),
    )
    workers.add_metric(("up", ""), states["up"])
    workers.add_metric(("away", ""), 0)
    causes = Counter(cause.partition(":")[0] for cause, count in states["away"].items() for _ in range(count))
    for cause, count in causes.items():
        workers.add_metric(("away", cause), count)
    yield workers


def redis_as_json(reports: Iterable[WorkerReport]) -> dict[str, Any] | None:
    """The same for /status; None where no worker uses Redis."""
    states = Counter(report.redis for report in reports if report.redis is not None)
    if not states:
        return None
    return {"up": states[""], "away": {cause: count for cause, count in states.items() if cause}}


def store_families(judge: JudgeHandle) -> Iterator[Metric]:
    """How the store of evidence does; nothing where nothing is shadowed."""
    if not judge.started:
        return
    figures, store = judge.figures, judge.figures.store()
    yield GaugeMetricFamily(
        "strangler_store_up", "1 where evidence can be stored; /status says why not.", int(store.error is None)
    )
    yield CounterMetricFamily("strangler_store_errors", "Failures to read or write the store.", store.errors)
    yield GaugeMetricFamily(
        "strangler_store_unwritten_pairs", "Judged pairs that are not written yet.", store.unwritten
    )
    yield GaugeMetricFamily(
        "strangler_store_oldest_unwritten_seconds",
        "How long the oldest unwritten pair has waited; 0 where none waits.",
        round(store.oldest, 1),
    )
    yield CounterMetricFamily("strangler_store_lost_pairs", "Judged pairs that will never be stored.", store.lost)
    yield CounterMetricFamily("strangler_judge_restarts", "Judges that ended and were replaced.", figures.restarts)
    measuring = GaugeMetricFamily(
        "strangler_shadow_measuring",
        "0 where a migration's shadow compares nothing or fails its self-test; /status says why.",
        labels=("migration",),
    )
    for name in figures.shadowed:
        measuring.add_metric((name,), int(name not in figures.report.problems))
    yield measuring


def configuration_families(configuration: RunningConfiguration) -> Iterator[Metric]:
    """Whether the newest configuration runs, and whether its files are watched."""
    yield GaugeMetricFamily(
        "strangler_configuration_valid",
        "1 where the newest configuration is the running one.",
        int(not configuration.problems),
    )
    yield GaugeMetricFamily(
        "strangler_watch_last_look_timestamp_seconds",
        "When the files of the configuration were last checked for changes.",
        configuration.files.last_look,
    )
