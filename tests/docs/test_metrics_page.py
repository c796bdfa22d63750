"""The docs name the metrics and events that the gateway has, all of them and no others."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = "\n".join(page.read_text() for page in sorted((ROOT / "docs").glob("*.md")))
CODE = "\n".join(file.read_text() for file in sorted((ROOT / "gateway" / "strangler").rglob("*.py")))
DJANGO_APP = "\n".join(file.read_text() for file in sorted((ROOT / "packages").rglob("*.py")))
NO_METRICS = {"strangler_visitor"}
"""The name of the visitor cookie."""


def test_every_metric_is_in_the_table_of_metrics() -> None:
    table = (ROOT / "docs" / "run-it.md").read_text().partition("## Metrics\n")[2].partition("\n## ")[0]
    metrics = set(re.findall(r'"(strangler_[a-z_]+)"', CODE)) - NO_METRICS
    assert len(metrics) > 25
    assert sorted(name for name in metrics if f"`{name}" not in table) == []


def test_metrics_named_in_the_docs_exist() -> None:
    named = set(re.findall(r"\b(strangler_[a-z_]+[a-z])", PAGES))
    missing = {name for name in named if name not in CODE and name.removesuffix("_total") not in CODE}
    missing -= {name for name in missing if name in DJANGO_APP}
    # Samples of a histogram have suffixes of their own.
    assert sorted(name for name in missing if re.sub(r"_(bucket|sum|count)$", "", name) not in CODE) == []


def test_every_event_is_described() -> None:
    events = set(re.findall(r'\.event\(\s*"([a-z_]+)"', CODE))
    assert len(events) > 15
    assert sorted(event for event in events if event not in PAGES) == []
