"""Commands of docs/plan.md print what the page shows, on a store with a week of made-up traffic."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from xxhash import xxh3_64_intdigest

from strangler.observe.route_callers import RouteLabels
from strangler.observe.sketch import Sketch
from strangler.traffic.counts import DayOf, HourOf, TrafficCounts
from tests.docs.test_console_examples import ROOT, examples, matches
from tests.traffic.filling import fill_store

HOUR = 500_003
# By route, side and upstream: the requests of a mean hour, and the callers of the week.
TRAFFIC = {
    RouteLabels("catalog/products", "legacy", "monolith"): (470, range(0, 5400)),
    RouteLabels("catalog/products", "extracted", "catalog"): (52, range(5400, 6000)),
    RouteLabels("users/me", "extracted", "users"): (160, range(2000, 4000)),
    RouteLabels("orders", "", "monolith"): (85, range(3000, 4500)),
    RouteLabels("", "", "monolith"): (1090, range(0, 9000)),
}


def fill(url: str) -> None:
    """Store a week in which nights have half of the traffic."""
    counts = TrafficCounts()
    for labels, (requests, callers) in TRAFFIC.items():
        for hour in range(HOUR - 167, HOUR + 1):
            counts.requests[HourOf(hour, labels)] = requests * (5 if hour % 24 < 16 else 2) // 4
        sketch = Sketch()
        for number in callers:
            sketch.add(xxh3_64_intdigest(f"user-{number}".encode()))
        counts.callers[DayOf(HOUR // 24, labels)] = sketch
    fill_store(url, counts)


def test_commands_print_what_the_page_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "config", tmp_path / "config")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STRANGLER_CONFIG", raising=False)
    monkeypatch.setenv("GATEWAY_STORE", f"sqlite:///{tmp_path}/store.sqlite3")
    monkeypatch.setattr("strangler.cli.plan.time", lambda: HOUR * 3600.0)
    fill(f"sqlite:///{tmp_path}/store.sqlite3")
    compared = 0
    for line, shown, printed in examples("plan.md", tmp_path):
        compared += 1
        assert matches(shown, printed), f"$ {line}\n{printed}\n--- the page shows\n{shown}"
    assert compared >= 3
