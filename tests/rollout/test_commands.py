"""Orders of people: approve, pause, resume and promote, carried out once or refused with a reason."""

from __future__ import annotations

from dataclasses import replace

import pytest

from strangler.rollout.evidence import (
    CommandKind,
    Dependency,
    MetricValue,
    Scope,
    Unavailable,
)
from strangler.rollout.states import State
from tests.rollout.scenario import POLICY, Rollout


def test_approval_lets_the_rollout_go_on_in_the_same_turn() -> None:
    rollout = Rollout(replace(POLICY, approve_before=frozenset({50.0}))).reach(State.CANARY)
    rollout.turn()
    assert (rollout.record.state, rollout.record.reason) == (State.HOLDING, "50 % needs the approval of a person")
    rollout.order(CommandKind.APPROVE)
    rollout.turn()
    assert (rollout.record.state, rollout.record.step) == (State.PROMOTING, 2)


def test_approval_of_another_revision_is_refused() -> None:
    rollout = Rollout(replace(POLICY, approve_before=frozenset({50.0}))).reach(State.CANARY)
    rollout.order(CommandKind.APPROVE, scope=Scope("r0", 1, 1))
    rollout.turn()
    assert rollout.record.approved is None
    assert "refused" in [entry.what for entry in rollout.audit]


def test_approval_is_used_up_by_its_step() -> None:
    rollout = Rollout(replace(POLICY, approve_before=frozenset({50.0, 100.0}))).reach(State.CANARY)
    rollout.order(CommandKind.APPROVE)
    rollout.reach(State.CANARY, step=2)
    rollout.turn()
    assert rollout.record.reason == "100 % needs the approval of a person"


def test_pause_holds_until_it_is_resumed() -> None:
    rollout = Rollout().reach(State.CANARY)
    rollout.order(CommandKind.PAUSE, reason="holiday")
    rollout.turn()
    assert (rollout.record.state, rollout.record.reason) == (State.HOLDING, "paused by ann: holiday")
    rollout.order(CommandKind.RESUME)
    rollout.turn()
    assert rollout.record.state is State.PROMOTING


def test_command_is_carried_out_once() -> None:
    rollout = Rollout().reach(State.CANARY)
    rollout.order(CommandKind.ROLLBACK)
    rollout.order(CommandKind.RESUME)
    rollout.turn()
    assert rollout.record.state is State.WAITING
    rollout.reach(State.CANARY)
    assert [entry.what for entry in rollout.audit].count("failed") == 1


def test_promotion_past_a_gate_needs_force_and_is_recorded() -> None:
    rollout = Rollout().reach(State.CANARY)
    few = {"errors": Unavailable("the store can't be read")}
    rollout.order(CommandKind.PROMOTE)
    rollout.turn(**few)
    assert rollout.audit[-2].reason.endswith("the store can't be read; --force promotes all the same")
    assert rollout.record.state is State.HOLDING
    rollout.order(CommandKind.PROMOTE, force=True, reason="the store is under repair")
    rollout.turn(**few)
    entry = rollout.audit[-1]
    assert (rollout.record.state, entry.what, entry.who, entry.forced) == (State.PROMOTING, "passed", "ann", True)


@pytest.mark.parametrize(
    ("other", "refusal"),
    [
        ({"freeze": "Christmas"}, "frozen: Christmas"),
        ({"metrics": {"checkout": MetricValue(0, 1.0)}}, "a gate fails"),
        ({"dependencies": (Dependency("users", 0.1, False),)}, "users is at 0.1 of its callers"),
    ],
    ids=["freeze", "failing gate", "dependency"],
)
def test_force_does_not_promote_past(other: dict[str, object], refusal: str) -> None:
    rollout = Rollout(replace(POLICY, depends_on=("users",)))
    good = {"dependencies": (Dependency("users", 1.0, False),)}
    while rollout.record.state is not State.CANARY:
        rollout.turn(**good)
    if "metrics" in other:
        other = {"metrics": {"checkout": MetricValue(rollout.now, 1.0)}}
    rollout.order(CommandKind.PROMOTE, force=True)
    rollout.turn(**(good | other))
    assert rollout.record.state in (State.HOLDING, State.ROLLED_BACK)
    refused = [entry.reason for entry in rollout.audit if entry.what == "refused"]
    assert refusal in refused[0]
