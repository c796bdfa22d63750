"""What keeps a rollout where it is: causes to hold, deadlines, dry runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from strangler.rollout.evidence import (
    Dependency,
    MetricValue,
    RolloutEvidence,
    Unavailable,
)
from strangler.rollout.policy import Deadlines
from strangler.rollout.states import RolloutState
from tests.rollout.scenario import POLICY, REVISION, SLOW_AFTER, Rollout, callers


def test_thresholds_of_slow_are_frozen_while_callers_are_counted_against_them() -> None:
    rollout = Rollout().reach(RolloutState.CANARY)
    assert rollout.record.slow_after == SLOW_AFTER
    rollout.turn(slow_after={"GET /products": 9.0}, errors=Unavailable("no"))
    assert rollout.record.slow_after == SLOW_AFTER
    rollout.turn(slow_after={"GET /products": 9.0})
    assert (rollout.record.state, rollout.record.slow_after) == (RolloutState.PROMOTING, {"GET /products": 9.0})


def test_thresholds_that_come_late_are_frozen_then() -> None:
    rollout = Rollout()
    while rollout.record.state is not RolloutState.CANARY:
        rollout.turn(slow_after=Unavailable("too few requests"))
    rollout.turn(slow_after=Unavailable("too few requests"))
    assert rollout.record.state is RolloutState.HOLDING
    assert "no threshold is frozen" in rollout.record.reason
    rollout.turn()
    rollout.turn()
    assert rollout.record.state is RolloutState.PROMOTING


@pytest.mark.parametrize(
    "other",
    [
        {"errors": Unavailable("the store can't be read")},
        {"equivalence": Unavailable("the store can't be read")},
        {"metrics": {}},
        {"metrics": {"checkout": Unavailable("Prometheus returned an empty vector")}},
        {"metrics": {"checkout": MetricValue(Rollout().now + 10, float("nan"))}},
        {"freeze": "Christmas"},
    ],
    ids=["errors", "equivalence", "metric", "empty vector", "NaN", "freeze"],
)
def test_canary_holds_its_share_until_the_cause_ends(other: dict[str, object]) -> None:
    rollout = Rollout().reach(RolloutState.CANARY)
    rollout.turn(**other)
    rollout.turn(**other)
    assert (rollout.record.state, rollout.share) == (RolloutState.HOLDING, 0.01)
    assert rollout.record.held is not None
    assert rollout.record.held.state is RolloutState.CANARY
    rollout.turn()
    assert rollout.record.state is RolloutState.PROMOTING
    assert [entry.what for entry in rollout.audit[-3:]] == ["held", "released", "passed"]


def test_too_little_evidence_is_no_hold() -> None:
    rollout = Rollout().reach(RolloutState.CANARY)
    rollout.turn(errors=callers(POLICY, rollout.record, rollout.now + 1, extracted=0, control=5, seen=None))
    assert rollout.record.state is RolloutState.CANARY


@pytest.mark.parametrize("dependencies", [(), (Dependency("users", 0.0, False),), (Dependency("users", 0.0, True),)])
def test_rollout_waits_for_its_dependency(dependencies: tuple[Dependency, ...]) -> None:
    rollout = Rollout(replace(POLICY, depends_on=("users",)))
    for _ in range(3):
        rollout.turn(dependencies=dependencies)
    assert rollout.record.state is RolloutState.WAITING


def test_dry_run_decides_and_records_but_moves_nobody() -> None:
    rollout = Rollout(replace(POLICY, dry_run=True))
    for _ in range(10):
        rollout.turn()
    assert (rollout.record.state, rollout.share) == (RolloutState.PROVING, 0.0)
    decided = [entry for entry in rollout.audit if entry.dry_run]
    assert [(entry.what, entry.to_state, entry.to_share) for entry in decided] == [
        ("passed", RolloutState.PROMOTING, 0.01)
    ]


@pytest.mark.parametrize(
    ("state", "other"),
    [
        (RolloutState.SHADOWING, {"equivalence": Unavailable("no pairs arrive")}),
        (RolloutState.PROVING, {"equivalence": Unavailable("no pairs arrive")}),
        (RolloutState.PROMOTING, {"published": None}),
    ],
)
def test_rollout_that_makes_no_progress_is_stuck_and_can_go_on(state: RolloutState, other: dict[str, object]) -> None:
    deadlines = Deadlines(shadowing=5, proving=5, promoting=5, holding=5)
    rollout = Rollout(replace(POLICY, deadlines=deadlines)).reach(state)
    for _ in range(8):
        rollout.turn(**other)
    assert rollout.record.stuck is not None
    assert [entry.what for entry in rollout.audit].count("stuck") == 1
    rollout.turn()
    assert rollout.record.stuck is None


def test_evidence_by_default_lets_nothing_pass() -> None:
    rollout = Rollout().reach(RolloutState.CANARY)
    rollout.now += 1
    rollout.advance(RolloutEvidence(revision=REVISION))
    assert rollout.record.state is RolloutState.HOLDING
