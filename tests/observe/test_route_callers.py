"""Callers of routes, counted by a worker beside its requests."""

from __future__ import annotations

import pytest

from strangler.observe import route_callers
from strangler.observe.counters import Counters
from strangler.observe.route_callers import DAY, RouteCallersReport, RouteLabels
from strangler.observe.sketch import Sketch


def count(counters: Counters, caller: str, route: str = "a", side: str = "", upstream: str = "shop") -> None:
    """A request of `caller` is over."""
    counters.request((route, side, upstream, 200), 0.01, 100, caller)


def taken(counters: Counters) -> RouteCallersReport:
    """The callers of the next report."""
    report = counters.take().route_callers
    assert report is not None
    return report


def counts(report: RouteCallersReport) -> dict[RouteLabels, int]:
    """How many callers there are by labels."""
    return {labels: Sketch(found).count() for labels, found in report.sketches.items()}


def test_each_caller_counts_once_a_route_and_upstream() -> None:
    counters = Counters()
    for _ in range(3):
        for number in range(50):
            count(counters, f"user-{number}", "catalog/all", "legacy")
    count(counters, "user-1", "catalog/all", "extracted", "catalog")
    assert counts(taken(counters)) == {
        RouteLabels("catalog/all", "legacy", "shop"): pytest.approx(50, abs=3),
        RouteLabels("catalog/all", "extracted", "catalog"): 1,
    }


def test_a_report_has_what_changed() -> None:
    counters = Counters()
    count(counters, "user-1")
    assert taken(counters).sketches
    count(counters, "user-1")
    assert taken(counters).sketches == {}
    count(counters, "user-2")
    assert list(counts(taken(counters)).values()) == [2]


def test_requests_without_an_upstream_or_a_caller_do_not_count() -> None:
    counters = Counters()
    count(counters, "", upstream="")
    count(counters, "user-1", upstream="")
    assert taken(counters).sketches == {}


def test_workers_count_the_same_caller_alike() -> None:
    one, other = Counters(), Counters()
    for number in range(40):
        count(one, f"user-{number}")
        count(other, f"user-{number}")
    assert taken(one) == taken(other)


def test_counting_begins_anew_with_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [20_000.0 * DAY + 5]
    monkeypatch.setattr(route_callers, "time", lambda: now[0])
    counters = Counters()
    count(counters, "user-1")
    now[0] += DAY
    before = taken(counters)
    assert (before.day, len(before.sketches)) == (20_000, 1)
    count(counters, "user-1")
    after = taken(counters)
    assert (after.day, len(after.sketches)) == (20_001, 1)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route_callers, "MOST_KNOWN", 100)
    monkeypatch.setattr(route_callers, "MOST_LABELS", 2)
    counters = Counters()
    for number in range(1000):
        count(counters, f"user-{number}" + "x" * (number % 300), f"route-{number % 5}")
    found = counts(taken(counters))
    assert len(found) == 2
    assert sum(found.values()) == pytest.approx(400, rel=0.1)
