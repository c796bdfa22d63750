"""Callers of routes, counted by a worker."""

from __future__ import annotations

import pytest

from strangler.observe import route_callers
from strangler.observe.route_callers import DAY, RouteCallers, RouteLabels
from strangler.observe.sketch import Sketch


def test_each_caller_counts_once_a_route_and_upstream() -> None:
    callers = RouteCallers()
    for _ in range(3):
        for number in range(50):
            callers.see("catalog/all", "legacy", "shop", f"user-{number}")
    callers.see("catalog/all", "extracted", "catalog", "user-1")
    counts = {labels: Sketch(found).count() for labels, found in callers.take().sketches.items()}
    assert counts == {
        RouteLabels("catalog/all", "legacy", "shop"): pytest.approx(50, abs=3),
        RouteLabels("catalog/all", "extracted", "catalog"): 1,
    }


def test_a_report_has_what_changed() -> None:
    callers = RouteCallers()
    callers.see("a", "", "shop", "user-1")
    assert callers.take().sketches
    callers.see("a", "", "shop", "user-1")
    assert callers.take().sketches == {}
    callers.see("a", "", "shop", "user-2")
    (registers,) = callers.take().sketches.values()
    assert Sketch(registers).count() == 2


def test_workers_count_the_same_caller_alike() -> None:
    one, other = RouteCallers(), RouteCallers()
    for number in range(40):
        one.see("a", "", "shop", f"user-{number}")
        other.see("a", "", "shop", f"user-{number}")
    assert one.take() == other.take()


def test_counting_begins_anew_with_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [20_000.0 * DAY + 5]
    monkeypatch.setattr(route_callers, "time", lambda: now[0])
    callers = RouteCallers()
    callers.see("a", "", "shop", "user-1")
    now[0] += DAY
    before = callers.take()
    assert (before.day, len(before.sketches)) == (20_000, 1)
    callers.see("a", "", "shop", "user-1")
    after = callers.take()
    assert (after.day, len(after.sketches)) == (20_001, 1)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route_callers, "MOST_KNOWN", 100)
    monkeypatch.setattr(route_callers, "MOST_LABELS", 2)
    callers = RouteCallers()
    for number in range(1000):
        callers.see(f"route-{number % 5}", "", "shop", f"user-{number}" + "x" * (number % 300))
    report = callers.take()
    assert len(report.sketches) == 2
    assert sum(Sketch(found).count() for found in report.sketches.values()) == pytest.approx(400, rel=0.1)
