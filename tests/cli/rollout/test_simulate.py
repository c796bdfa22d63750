"""`strangler rollout simulate`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from strangler.config.load import load
from strangler.traffic.counts import DayOf, HourOf, TrafficCounts
from tests.cli.conftest import Strangler
from tests.plan.configurations import week
from tests.traffic.filling import fill_store

CONFIG = """\
version: 1
store: {url: "sqlite:///store.sqlite3"}
upstreams: {shop: {endpoints: "http://127.0.0.1:1"}, catalog: {endpoints: "http://127.0.0.1:2"}}
default: shop
migrations:
  catalog:
    from: shop
    to: catalog
    stage: rollout
    rollout: {steps: [1, 50, extracted], harmful_ratio: 8}
    routes: [{name: all, match: {path: "/catalog/**"}}]
"""


@pytest.fixture
def config(write: Callable[[str], Path]) -> Path:
    return write(CONFIG)


def test_steps_errors_and_callers_are_shown(strangler: Strangler, config: Path) -> None:
    said = strangler("rollout", "simulate", config, "catalog", "--runs", "60", "--callers-per-hour", "20000")
    assert said.code == 0
    lines = said.out.splitlines()
    assert lines[0].startswith(
        "catalog: 20000 callers an hour in the mean, a made-up daily wave; 60 simulated rollouts"
    )
    assert lines[1] == "a good release, which fails as many callers as the legacy side:"
    assert [line.split(":")[0].strip() for line in lines[2:4]] == ["at 1 %", "at 50 %"]
    assert "a bad release, which fails 8 times as many callers:" in lines
    assert "  rolled back: 100.00 %" in lines
    assert lines[-1].startswith("  met by ")
    document = strangler("rollout", "simulate", config, "catalog", "--runs", "5", "--bad-ratio", "3", "--json").json
    assert (document["bad"]["ratio"], sorted(document["good"]["seconds"])) == (3.0, ["1", "50"])


def test_the_recorded_week_is_played(strangler: Strangler, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = week()
    monkeypatch.setattr("strangler.cli.plan.time", lambda: recorded.until * 3600.0)
    counts = TrafficCounts(
        {HourOf(recorded.until, labels): count for labels, count in recorded.requests.items()},
        {DayOf(recorded.until // 24, labels): sketch for labels, sketch in recorded.callers.items()},
    )
    fill_store(load(config, {}).snapshot.store.url, counts)
    said = strangler("rollout", "simulate", config, "catalog", "--runs", "3")
    assert (said.code, said.err) == (0, "")
    assert "catalog: 100,800 requests of " in said.out
    assert " callers, recorded in 1 of 168 hours; 3 simulated rollouts" in said.out


def test_too_few_callers_are_said_so(strangler: Strangler, config: Path) -> None:
    said = strangler("rollout", "simulate", config, "catalog", "--runs", "5", "--callers-per-hour", "5")
    assert "  at 1 %: more than 90 days in the mean" in said.out
    assert "not ended, for want of callers: 100.00 %" in said.out


def test_an_unknown_migration_is_reported(strangler: Strangler, config: Path) -> None:
    said = strangler("rollout", "simulate", config, "catalgo")
    assert (said.code, said.err) == (1, "strangler: there is no migration 'catalgo' (did you mean 'catalog'?)\n")
