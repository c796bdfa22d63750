"""What Prometheus is told of Redis, of statuses, and of the longest lag: bounded, and with the cause."""

from __future__ import annotations

import os

import pytest

from strangler.control.status.metrics import exposition, traffic_families
from strangler.control.status.own_metrics import redis_as_json, redis_families
from strangler.control.status.totals import WorkerTotals, status_label
from strangler.control.system import process_figures
from strangler.control.system.process_figures import Peak, figures_of
from strangler.observe.worker_report import RequestFigures, WorkerReport


def test_redis_is_shown_by_workers_and_kind_of_error() -> None:
    reports = [
        WorkerReport(redis=""),
        WorkerReport(redis="ReadOnlyError: You can't write against a read only replica."),
        WorkerReport(redis="TimeoutError: no answer in 0.1 s"),
        WorkerReport(redis="TimeoutError: no answer in 0.2 s"),
    ]
    (family,) = redis_families(reports)
    assert {(sample.labels["state"], sample.labels["cause"]): sample.value for sample in family.samples} == {
        ("up", ""): 1,
        ("away", ""): 0,
        ("away", "ReadOnlyError"): 1,
        ("away", "TimeoutError"): 2,
    }
    assert redis_as_json(reports) == {
        "up": 1,
        "away": {
            "ReadOnlyError: You can't write against a read only replica.": 1,
            "TimeoutError: no answer in 0.1 s": 1,
            "TimeoutError: no answer in 0.2 s": 1,
        },
    }


def test_redis_is_not_shown_where_no_worker_uses_it() -> None:
    assert redis_as_json([WorkerReport()]) is None
    assert list(redis_families([WorkerReport()])) == []


@pytest.mark.parametrize(
    ("status", "label"),
    [(200, "200"), (499, "499"), (503, "503"), (599, "5xx"), (299, "2xx"), (999, "9xx"), (101, "101")],
)
def test_a_status_label_is_a_registered_status_or_its_class(status: int, label: str) -> None:
    assert status_label(status) == label


def test_series_are_bounded_by_the_registered_statuses() -> None:
    sums = WorkerTotals()
    for status in range(100, 1000):
        sums.add(WorkerReport(requests={("route", "", "upstream", status): RequestFigures(1, 0.1, 10, [1] + [0] * 14)}))
    assert len(sums.requests) < 75
    assert sum(figures.requests for figures in sums.requests.values()) == 900
    assert exposition(lambda: traffic_families(sums)).count(b"\n") < 75 * 20


def test_the_longest_lag_is_kept_for_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(process_figures, "monotonic", lambda: now)
    peak = Peak()
    assert peak.value() == 0
    peak.add(3.0)
    now += 10
    peak.add(1.0)
    assert peak.value() == 3.0
    now += 55
    assert peak.value() == 1.0
    now += 60
    assert peak.value() == 0


def test_a_process_that_has_ended_has_no_figures() -> None:
    assert figures_of(2**22 + 1) is None
    found = figures_of(os.getpid())
    assert found is not None
    assert found.memory > 1_000_000
    assert found.cpu >= 0
