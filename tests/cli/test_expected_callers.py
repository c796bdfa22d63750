"""`strangler validate` warns of a rollout to which too few callers come, where the store knows how many do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from xxhash import xxh3_64_intdigest

from strangler.config.load import load
from strangler.observe.route_callers import RouteLabels
from strangler.observe.sketch import Sketch
from strangler.traffic.counts import DayOf, TrafficCounts
from tests.cli.conftest import Strangler
from tests.traffic.filling import fill_store

TODAY = 20_000
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
    rollout: {}
    routes: [{name: all, match: {path: "/catalog/**", methods: [GET, HEAD]}}]
"""


@pytest.fixture
def config(write: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("strangler.cli.expected_callers.time", lambda: (TODAY + 0.5) * 86_400)
    return write(CONFIG)


def fill(config: Path, callers: int, *, route: str = "catalog/all", days: int = 4) -> None:
    """Store so many callers on each side of the route, on each of the last days with today; the sides share half."""
    counts = TrafficCounts()
    for day in range(TODAY - days + 1, TODAY + 1):
        for side, first in (("legacy", 0), ("extracted", callers // 2)):
            sketch = Sketch()
            for caller in range(first, first + callers):
                sketch.add(xxh3_64_intdigest(f"{day}-{caller}".encode()))
            counts.callers[DayOf(day, RouteLabels(route, side, "any"))] = sketch
    fill_store(load(config, {}).snapshot.store.url, counts)


def test_too_few_callers_for_a_step_are_a_warning_with_the_time_it_would_take(
    strangler: Strangler, config: Path
) -> None:
    fill(config, 1000)
    said = strangler("validate", config)
    assert said.code == 0
    (warning,) = said.err.splitlines()
    assert warning.startswith(
        f"warning: {config}:10:5: too few callers for the rollout of 'catalog': at 1 %: about 33,000 callers ("
    )
    # 1,500 a day, as far as a sketch can tell, and not 2,000: who was on both sides is one caller.
    daily = int(warning.partition("with ")[2].partition(" a day")[0].replace(",", ""))
    assert daily == pytest.approx(1500, rel=0.1)
    assert "a day 2" in warning
    assert strangler("validate", config, "--json").json["warnings"][0]["line"] == 10


def test_enough_callers_or_a_longer_time_are_no_warning(
    strangler: Strangler, config: Path, write: Callable[[str], Path]
) -> None:
    fill(config, 1000)
    write(CONFIG.replace("rollout: {}", "rollout: {stuck_after: {canary: 90d}}"))
    assert strangler("validate", config).err == ""
    write(CONFIG)
    fill(config, 20_000)
    assert strangler("validate", config).err == ""


@pytest.mark.parametrize("days", [0, 1, 2])
def test_without_a_whole_day_nothing_is_said(strangler: Strangler, config: Path, days: int) -> None:
    fill(config, 10, days=days)
    said = strangler("validate", config)
    assert (said.code, said.err) == (0, "")


def test_callers_of_other_routes_do_not_count(strangler: Strangler, config: Path) -> None:
    fill(config, 10_000, route="catalogs/all")
    assert strangler("validate", config).err.partition("; ")[2].startswith("none come")


def test_a_store_that_can_not_be_read_is_no_matter_of_the_configuration(
    strangler: Strangler, config: Path, tmp_path: Path
) -> None:
    for content in (None, b"not a database"):
        if content is not None:
            (tmp_path / "store.sqlite3").write_bytes(content)
        said = strangler("validate", config)
        assert (said.code, said.err) == (0, "")
