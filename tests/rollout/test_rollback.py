"""The way back: who and what rolls back, how long that lasts, and what begins the proof anew."""

from __future__ import annotations

from dataclasses import replace

import pytest

from strangler.rollout.evidence import (
    CommandKind,
    Dependency,
    MetricValue,
    Scope,
)
from strangler.rollout.policy import Deadlines
from strangler.rollout.states import RolloutState
from tests.rollout.scenario import EVERY_STATE, POLICY, Rollout, callers, pairs


@pytest.mark.parametrize("state", EVERY_STATE)
def test_person_rolls_back_from_every_state(state: RolloutState) -> None:
    rollout = Rollout().reach(state)
    rollout.order(CommandKind.ROLLBACK, reason="orders are lost")
    rollout.turn()
    assert (rollout.record.state, rollout.share) == (RolloutState.ROLLED_BACK, 0.0)
    if state is not RolloutState.ROLLED_BACK:
        assert (rollout.audit[-1].who, rollout.audit[-1].reason) == ("ann", "orders are lost")


@pytest.mark.parametrize(
    "state",
    [RolloutState.PROVING, RolloutState.CANARY, RolloutState.PROMOTING, RolloutState.WATCHING, RolloutState.HOLDING],
)
def test_gate_that_fails_rolls_back(state: RolloutState) -> None:
    rollout = Rollout().reach(state)
    rollout.turn(metrics={"checkout": MetricValue(rollout.now + 1, 0.02)})
    assert (rollout.record.state, rollout.share) == (RolloutState.ROLLED_BACK, 0.0)
    assert rollout.record.reason == "checkout fails: 0.02 is not below 0.02"


@pytest.mark.parametrize("gate", ["errors", "latency"])
def test_callers_who_fail_more_often_roll_back(gate: str) -> None:
    rollout = Rollout().reach(RolloutState.CANARY)
    slow_after = rollout.record.slow_after if gate == "latency" else {}
    rollout.turn(**{gate: callers(POLICY, rollout.record, rollout.now + 1, ratio=5, slow_after=slow_after)})
    assert rollout.record.state is RolloutState.ROLLED_BACK
    assert rollout.audit[-1].from_share == 0.01


def test_failure_while_promoting_outranks_the_acknowledgement() -> None:
    rollout = Rollout().reach(RolloutState.PROMOTING)
    rollout.turn(equivalence=pairs(rollout.record, rollout.now + 1, mismatched=500))
    assert rollout.record.state is RolloutState.ROLLED_BACK


def test_rollback_lasts_until_a_person_resumes() -> None:
    rollout = Rollout().reach(RolloutState.ROLLED_BACK)
    for other in ({}, {"revision": "r2"}, {"stage": "legacy", "revision": "r2"}, {"revision": "r2"}):
        rollout.turn(**other)
        rollout.turn(**other)
        assert (rollout.record.state, rollout.share) == (RolloutState.ROLLED_BACK, 0.0)
    rollout.order(CommandKind.RESUME)
    rollout.turn(revision="r2")
    assert rollout.record.state is RolloutState.WAITING
    assert rollout.record.scope == Scope("r2", 2, 0)


@pytest.mark.parametrize(
    "state",
    [
        RolloutState.SHADOWING,
        RolloutState.PROVING,
        RolloutState.CANARY,
        RolloutState.PROMOTING,
        RolloutState.WATCHING,
        RolloutState.HOLDING,
    ],
)
def test_another_revision_begins_the_proof_anew(state: RolloutState) -> None:
    rollout = Rollout().reach(state)
    rollout.turn(revision="r2")
    assert (rollout.record.state, rollout.share) == (RolloutState.WAITING, 0.0)
    assert rollout.record.scope == Scope("r2", 1, 0)
    assert (rollout.record.tests, rollout.record.base_rates, rollout.record.slow_after) == ({}, {}, {})


def test_another_revision_of_a_finished_migration_moves_nobody() -> None:
    rollout = Rollout().reach(RolloutState.EXTRACTED)
    rollout.turn(revision="r2")
    assert (rollout.record.state, rollout.record.revision, rollout.share) == (RolloutState.EXTRACTED, "r2", 1.0)


def test_any_other_stage_in_the_yaml_outranks_the_controller() -> None:
    rollout = Rollout().reach(RolloutState.CANARY)
    rollout.order(CommandKind.PROMOTE, force=True)
    advanced = rollout.turn(stage="legacy")
    assert advanced.wanted is None
    assert (rollout.record.state, rollout.record.attempt) == (RolloutState.WAITING, 2)
    assert [entry.what for entry in advanced.audit] == ["refused", "taken over"]
    rollout.turn()
    assert rollout.record.state is RolloutState.SHADOWING


def test_dependents_go_back_with_their_dependency() -> None:
    rollout = Rollout(replace(POLICY, depends_on=("users",)))
    while rollout.record.state is not RolloutState.CANARY:
        rollout.turn(dependencies=(Dependency("users", 1.0, False),))
    rollout.turn(dependencies=(Dependency("users", 0.0, True),))
    assert rollout.record.state is RolloutState.ROLLED_BACK
    assert rollout.record.reason == "users rolled back, which this migration depends on"


def test_stuck_promotion_can_roll_back() -> None:
    rollout = Rollout(replace(POLICY, deadlines=Deadlines(promoting=2))).reach(RolloutState.PROMOTING)
    for _ in range(4):
        rollout.turn(published=None)
    assert rollout.record.stuck is not None
    rollout.turn(published=None, metrics={"checkout": MetricValue(rollout.now + 1, 1.0)})
    assert (rollout.record.state, rollout.share) == (RolloutState.ROLLED_BACK, 0.0)
