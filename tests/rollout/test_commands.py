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
from strangler.rollout.states import RolloutState
from tests.rollout.scenario import POLICY, REVISION, Rollout


def test_approval_lets_the_rollout_go_on_in_the_same_turn() -> None:
    rollout = Rollout(replace(POLICY, approve_before=frozenset({50.0}))).reach(RolloutState.CANARY)
    rollout.turn()
    assert (rollout.record.state, rollout.record.reason) == (
        RolloutState.HOLDING,
        "50 % needs the approval of a person",
    )
    rollout.order(CommandKind.APPROVE)
    rollout.turn()
    assert (rollout.record.state, rollout.record.step) == (RolloutState.PROMOTING, 2)


def test_approval_of_another_revision_is_refused() -> None:
    rollout = Rollout(replace(POLICY, approve_before=frozenset({50.0}))).reach(RolloutState.CANARY)
    rollout.order(CommandKind.APPROVE, scope=Scope("r0", 1, 1))
    rollout.turn()
    assert rollout.record.approved is None
    assert "refused" in [entry.what for entry in rollout.audit]


def test_approval_is_used_up_by_its_step() -> None:
    rollout = Rollout(replace(POLICY, approve_before=frozenset({50.0, 100.0}))).reach(RolloutState.CANARY)
    rollout.order(CommandKind.APPROVE)
    rollout.reach(RolloutState.CANARY, step=2)
    rollout.turn()
    assert rollout.record.reason == "100 % needs the approval of a person"


def test_pause_holds_until_it_is_resumed() -> None:
    rollout = Rollout().reach(RolloutState.CANARY)
    rollout.order(CommandKind.PAUSE, reason="holiday")
    rollout.turn()
    assert (rollout.record.state, rollout.record.reason) == (RolloutState.HOLDING, "paused by ann: holiday")
    rollout.order(CommandKind.RESUME)
    rollout.turn()
    assert rollout.record.state is RolloutState.PROMOTING


def test_command_is_carried_out_once() -> None:
    rollout = Rollout().reach(RolloutState.CANARY)
    rollout.order(CommandKind.ROLLBACK)
    rollout.order(CommandKind.RESUME)
    rollout.turn()
    assert rollout.record.state is RolloutState.WAITING
    rollout.reach(RolloutState.CANARY)
    assert [entry.what for entry in rollout.audit].count("failed") == 1


def test_promotion_past_a_gate_needs_force_and_is_recorded() -> None:
    rollout = Rollout().reach(RolloutState.CANARY)
    few = {"errors": Unavailable("the store can't be read")}
    rollout.order(CommandKind.PROMOTE)
    rollout.turn(**few)
    assert rollout.audit[-2].reason.endswith("the store can't be read; --force promotes all the same")
    assert rollout.record.state is RolloutState.HOLDING
    rollout.order(CommandKind.PROMOTE, force=True, reason="the store is under repair")
    rollout.turn(**few)
    entry = rollout.audit[-1]
    assert (rollout.record.state, entry.what, entry.who, entry.forced) == (
        RolloutState.PROMOTING,
        "passed",
        "ann",
        True,
    )


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
    while rollout.record.state is not RolloutState.CANARY:
        rollout.turn(**good)
    if "metrics" in other:
        other = {"metrics": {"checkout": MetricValue(rollout.now, 1.0)}}
    rollout.order(CommandKind.PROMOTE, force=True)
    rollout.turn(**(good | other))
    assert rollout.record.state in (RolloutState.HOLDING, RolloutState.ROLLED_BACK)
    refused = [entry.reason for entry in rollout.audit if entry.what == "refused"]
    assert refusal in refused[0]


@pytest.mark.parametrize("scope", [None, Scope("r0", 1, 1), Scope(REVISION, 2, 1), Scope(REVISION, 1, 0)])
def test_promotion_on_what_was_seen_of_something_else_is_refused(scope: Scope | None) -> None:
    rollout = Rollout().reach(RolloutState.CANARY)
    rollout.order(CommandKind.PROMOTE, force=True, scope=scope)
    rollout.turn(metrics={})
    assert (rollout.record.state, rollout.share) == (RolloutState.HOLDING, 0.01)
    assert "promote: the order is not about revision r1, attempt 1, step 1" in [entry.reason for entry in rollout.audit]


def test_promotion_in_the_turn_of_another_revision_is_refused() -> None:
    rollout = Rollout().reach(RolloutState.CANARY)
    rollout.order(CommandKind.PROMOTE, force=True)
    advanced = rollout.turn(revision="r2")
    assert [entry.what for entry in advanced.audit] == ["revised", "refused"]
    assert (rollout.record.state, rollout.share) == (RolloutState.WAITING, 0.0)


@pytest.mark.parametrize(
    "state",
    [
        RolloutState.WAITING,
        RolloutState.SHADOWING,
        RolloutState.PROMOTING,
        RolloutState.EXTRACTED,
        RolloutState.ROLLED_BACK,
    ],
)
def test_promotion_in_a_state_without_gates_is_refused(state: RolloutState) -> None:
    rollout = Rollout().reach(state)
    rollout.order(CommandKind.PROMOTE, force=True)
    advanced = rollout.turn(published=None, freeze="Christmas", equivalence=Unavailable("no"))
    assert advanced.audit[0].reason == f"promote: a rollout that is {state} can't be promoted"
    assert rollout.record.state is state


def test_paused_rollout_is_not_promoted_and_a_finished_one_not_paused() -> None:
    rollout = Rollout().reach(RolloutState.HOLDING)
    rollout.order(CommandKind.PROMOTE, force=True)
    rollout.turn()
    assert rollout.audit[-1].reason == "promote: the rollout is paused; resume it first"
    for state in (RolloutState.EXTRACTED, RolloutState.ROLLED_BACK):
        rollout = Rollout().reach(state)
        rollout.order(CommandKind.PAUSE)
        rollout.turn()
        assert rollout.audit[-1].reason == f"pause: a rollout that is {state} can't be paused"


def test_watch_ends_early_by_force() -> None:
    rollout = Rollout().reach(RolloutState.WATCHING)
    rollout.order(CommandKind.PROMOTE)
    rollout.turn()
    assert rollout.audit[-1].reason == "promote: the time to watch is not served; --force promotes all the same"
    rollout.order(CommandKind.PROMOTE, force=True)
    rollout.turn()
    assert rollout.record.state is RolloutState.EXTRACTED


def test_commands_that_have_nothing_to_do_are_refused() -> None:
    rollout = Rollout().reach(RolloutState.CANARY)
    rollout.order(CommandKind.RESUME)
    rollout.order(CommandKind.APPROVE)
    rollout.turn(errors=Unavailable("no"))
    assert [entry.reason for entry in rollout.audit if entry.what == "refused"] == [
        "resume: the rollout is neither paused nor rolled back",
        "approve: the next step needs no approval",
    ]
