"""Commands of docs/rollout.md that need no gateway print what the page shows, on a store with a quiet week."""

from __future__ import annotations

from pathlib import Path

import pytest
from xxhash import xxh3_64_intdigest

from strangler.observe.route_callers import RouteLabels
from strangler.observe.sketch import Sketch
from strangler.traffic.counts import DayOf, HourOf, TrafficCounts
from tests.docs.test_console_examples import examples, matches
from tests.traffic.filling import fill_store

HOUR = 500_003
PRODUCTS = RouteLabels("catalog/products", "legacy", "monolith")
CALLERS = 4000
"""Of each day; half of them come the next day again."""


def fill(url: str) -> None:
    """Store a week in which nights have half of the traffic."""
    counts = TrafficCounts()
    for hour in range(HOUR - 167, HOUR + 1):
        counts.requests[HourOf(hour, PRODUCTS)] = 1000 if hour % 24 < 16 else 500
    for day in range(HOUR // 24 - 7, HOUR // 24 + 1):
        sketch = Sketch()
        for number in range(CALLERS):
            sketch.add(xxh3_64_intdigest(f"user-{day * CALLERS // 2 + number}".encode()))
        counts.callers[DayOf(day, PRODUCTS)] = sketch
    fill_store(url, counts)


def test_commands_print_what_the_page_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STRANGLER_CONFIG", raising=False)
    for module in ("plan", "expected_callers"):
        monkeypatch.setattr(f"strangler.cli.{module}.time", lambda: HOUR * 3600.0)
    fill(f"sqlite:///{tmp_path}/var/strangler.sqlite3")
    compared = 0
    for line, shown, printed in examples("rollout.md", tmp_path, ["gateway.yaml"]):
        compared += 1
        if line.startswith("strangler validate"):
            # Warnings have a stream of their own, and its place among the lines is not settled here.
            printed = "\n".join(sorted(printed.splitlines(), reverse=True))
        assert matches(shown, printed), f"$ {line}\n{printed}\n--- the page shows\n{shown}"
    assert compared == 2
