"""The snapshot by which workers serve what the controller has decided."""

from __future__ import annotations

from pathlib import Path

import pytest

from strangler.config.compile.rollout import Placement, placed
from strangler.config.load import Loaded, load
from strangler.model.migration import CallerCounting, Stage
from strangler.model.snapshot import Snapshot
from strangler.routing.decide import decide
from strangler.routing.request import Request

YAML = """
version: 1
upstreams:
  old: {endpoints: "http://127.0.0.1:1"}
  new: {endpoints: "http://127.0.0.1:2"}
default: old
migrations:
  m:
    from: old
    to: new
    stage: rollout
    rollout: {}
    canary: {sticky: "header:X-Caller"}
    routes:
      - {match: {path: "/m/{id}", host: shop.example}}
      - {match: {path: "/n/**", methods: GET}}
"""
COUNTING = CallerCounting("scope", {"m/1": 0.25})


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    file = tmp_path / "gateway.yaml"
    file.write_text(YAML)
    return load(file, {})


def side(snapshot: Snapshot, path: str, caller: str = "7") -> str | None:
    return decide(
        snapshot,
        Request("GET", path, "", "shop.example", [(b"x-caller", caller.encode())], "127.0.0.1"),
        lambda *_: None,
    ).side


@pytest.mark.parametrize(
    ("placement", "stage", "sides"),
    [
        (Placement(0.0, False, None), Stage.LEGACY, {"legacy"}),
        (Placement(0.0, True, None), Stage.SHADOW, {"legacy"}),
        (Placement(0.5, True, COUNTING), Stage.CANARY, {"legacy", "extracted"}),
        (Placement(1.0, True, COUNTING), Stage.EXTRACTED, {"extracted"}),
        (Placement(1.0, False, None), Stage.EXTRACTED, {"extracted"}),
    ],
)
def test_callers_are_served_where_the_controller_puts_them(
    loaded: Loaded, placement: Placement, stage: Stage, sides: set[str]
) -> None:
    snapshot = placed(loaded.snapshot, loaded.model, {"m": placement})
    for path in ("/m/1", "/n/2/3"):
        assert {side(snapshot, path, str(caller)) for caller in range(30)} == sides
    assert snapshot.migrations["m"].stage is stage
    assert all(route.migration is snapshot.migrations["m"] for route in snapshot.routes)
    assert {route.shadowed for route in snapshot.routes} == {placement.shadowed}
    assert {route.counted for route in snapshot.routes} == {placement.counting is not None}


def test_a_route_has_its_own_threshold_of_slow_callers(loaded: Loaded) -> None:
    snapshot = placed(loaded.snapshot, loaded.model, {"m": Placement(0.5, True, COUNTING)})
    assert {route.name: route.slow_after for route in snapshot.routes} == {"m/0": float("inf"), "m/1": 0.25}


def test_the_copied_side_is_the_one_that_serves_most(loaded: Loaded) -> None:
    half = placed(loaded.snapshot, loaded.model, {"m": Placement(0.5, True, COUNTING)})
    whole = placed(loaded.snapshot, loaded.model, {"m": Placement(1.0, True, COUNTING)})
    assert half.migrations["m"].copied_sides == ("legacy",)
    assert whole.migrations["m"].copied_sides == ("extracted",)
    assert whole.migrations["m"].copied_to("extracted", "GET") == "old"


def test_without_a_placement_all_callers_are_on_the_legacy_side(loaded: Loaded) -> None:
    assert placed(loaded.snapshot, loaded.model, {}) is loaded.snapshot
    assert {side(loaded.snapshot, "/m/1", str(caller)) for caller in range(30)} == {"legacy"}


def test_another_placement_is_another_version(loaded: Loaded) -> None:
    placements = [Placement(0.01, True, COUNTING), Placement(0.05, True, COUNTING), Placement(0.05, True, None)]
    versions = {placed(loaded.snapshot, loaded.model, {"m": each}).version for each in placements}
    assert len(versions) == 3
    assert all(version.startswith(f"{loaded.snapshot.version}+") for version in versions)
