"""One rollout after another: the way forward, holds, rollbacks, revisions, and what each leaves in the audit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from strangler.rollout.evidence import (
    CommandKind,
    Dependency,
    Evidence,
    MetricValue,
    Published,
    Scope,
    Unavailable,
)
from strangler.rollout.policy import Deadlines
from strangler.rollout.record import RollbackTest
from strangler.rollout.states import State
from tests.rollout.scenario import EVERY_STATE, POLICY, REVISION, SLOW_AFTER, Rollout, callers, pairs

UNTIL_EXTRACTED = (
    "waiting → shadowing, shadowing → proving, proving → promoting, promoting → canary, canary → promoting, "
    "promoting → canary, canary → promoting, promoting → watching, watching → extracted"
)


def test_good_release_goes_all_the_way() -> None:
    rollout = Rollout().reach(State.EXTRACTED)
    assert ", ".join(f"{entry.from_state} → {entry.to_state}" for entry in rollout.audit) == UNTIL_EXTRACTED
    shares = [(entry.from_share, entry.to_share) for entry in rollout.audit if entry.from_share != entry.to_share]
    assert shares == [(0.0, 0.01), (0.01, 0.5), (0.5, 1.0)]


def test_audit_has_gate_results_with_counts_and_e_values() -> None:
    rollout = Rollout().reach(State.PROMOTING, step=2)
    entry = rollout.audit[-1]
    assert (entry.who, entry.revision, entry.configuration) == ("controller", REVISION, "c1")
    assert [reading.gate for reading in entry.readings] == ["equivalence", "errors", "latency", "checkout"]
    errors = entry.readings[1].numbers
    assert (errors["extracted"], errors["control"], errors["share"]) == (10, 990, 0.01)
    assert errors["log_e_harmless"] > 6.9
    assert "not 5 times as many callers fail" in entry.reason


def test_promotion_waits_for_the_last_worker() -> None:
    rollout = Rollout().reach(State.PROMOTING)
    publication = rollout.record.publication
    for published in (
        None,
        Published(publication - 1, 2, 2),
        Published(publication, 2, 1),
        Published(publication, 0, 0),
    ):
        rollout.turn(published=published)
        assert rollout.record.state is State.PROMOTING
    rollout.turn(published=Published(publication, 3, 3))
    assert rollout.record.state is State.CANARY


def test_publication_rises_exactly_when_workers_need_something_else() -> None:
    rollout, seen = Rollout(), []
    while rollout.record.state is not State.WATCHING:
        before = rollout.wants
        rollout.turn()
        assert rollout.wants is not None
        if before is not None:
            assert (before.publication != rollout.wants.publication) is (before[1:] != rollout.wants[1:])
        seen.append(rollout.wants.publication)
    assert seen == sorted(seen)


def test_thresholds_of_slow_are_frozen_while_callers_are_counted_against_them() -> None:
    rollout = Rollout().reach(State.CANARY)
    assert rollout.record.slow_after == SLOW_AFTER
    rollout.turn(slow_after={"GET /products": 9.0}, errors=Unavailable("no"))
    assert rollout.record.slow_after == SLOW_AFTER
    rollout.turn(slow_after={"GET /products": 9.0})
    assert (rollout.record.state, rollout.record.slow_after) == (State.PROMOTING, {"GET /products": 9.0})


def test_thresholds_that_come_late_are_frozen_then() -> None:
    rollout = Rollout()
    while rollout.record.state is not State.CANARY:
        rollout.turn(slow_after=Unavailable("too few requests"))
    rollout.turn(slow_after=Unavailable("too few requests"))
    assert rollout.record.state is State.HOLDING
    assert "no threshold is frozen" in rollout.record.reason
    rollout.turn()
    rollout.turn()
    assert rollout.record.state is State.PROMOTING


@pytest.mark.parametrize("state", EVERY_STATE)
def test_person_rolls_back_from_every_state(state: State) -> None:
    rollout = Rollout().reach(state)
    rollout.order(CommandKind.ROLLBACK, reason="orders are lost")
    rollout.turn()
    assert (rollout.record.state, rollout.share) == (State.ROLLED_BACK, 0.0)
    if state is not State.ROLLED_BACK:
        assert (rollout.audit[-1].who, rollout.audit[-1].reason) == ("ann", "orders are lost")


@pytest.mark.parametrize("state", [State.PROVING, State.CANARY, State.PROMOTING, State.WATCHING, State.HOLDING])
def test_gate_that_fails_rolls_back(state: State) -> None:
    rollout = Rollout().reach(state)
    rollout.turn(metrics={"checkout": MetricValue(rollout.now + 1, 0.02)})
    assert (rollout.record.state, rollout.share) == (State.ROLLED_BACK, 0.0)
    assert rollout.record.reason == "checkout fails: 0.02 is not below 0.02"


@pytest.mark.parametrize("gate", ["errors", "latency"])
def test_callers_who_fail_more_often_roll_back(gate: str) -> None:
    rollout = Rollout().reach(State.CANARY)
    slow_after = rollout.record.slow_after if gate == "latency" else {}
    rollout.turn(**{gate: callers(POLICY, rollout.record, rollout.now + 1, ratio=5, slow_after=slow_after)})
    assert rollout.record.state is State.ROLLED_BACK
    assert rollout.audit[-1].from_share == 0.01


def test_failure_while_promoting_outranks_the_acknowledgement() -> None:
    rollout = Rollout().reach(State.PROMOTING)
    rollout.turn(equivalence=pairs(rollout.record, rollout.now + 1, mismatched=500))
    assert rollout.record.state is State.ROLLED_BACK


def test_rollback_lasts_until_a_person_resumes() -> None:
    rollout = Rollout().reach(State.ROLLED_BACK)
    for other in ({}, {"revision": "r2"}, {"stage": "legacy", "revision": "r2"}, {"revision": "r2"}):
        rollout.turn(**other)
        rollout.turn(**other)
        assert (rollout.record.state, rollout.share) == (State.ROLLED_BACK, 0.0)
    rollout.order(CommandKind.RESUME)
    rollout.turn(revision="r2")
    assert rollout.record.state is State.WAITING
    assert rollout.record.scope == Scope("r2", 2, 0)


@pytest.mark.parametrize(
    "state", [State.SHADOWING, State.PROVING, State.CANARY, State.PROMOTING, State.WATCHING, State.HOLDING]
)
def test_another_revision_begins_the_proof_anew(state: State) -> None:
    rollout = Rollout().reach(state)
    rollout.turn(revision="r2")
    assert (rollout.record.state, rollout.share) == (State.WAITING, 0.0)
    assert rollout.record.scope == Scope("r2", 1, 0)
    assert (rollout.record.tests, rollout.record.base_rates, rollout.record.slow_after) == ({}, {}, {})


def test_another_revision_of_a_finished_migration_moves_nobody() -> None:
    rollout = Rollout().reach(State.EXTRACTED)
    rollout.turn(revision="r2")
    assert (rollout.record.state, rollout.record.revision, rollout.share) == (State.EXTRACTED, "r2", 1.0)


def test_any_other_stage_in_the_yaml_outranks_the_controller() -> None:
    rollout = Rollout().reach(State.CANARY)
    rollout.order(CommandKind.PROMOTE, force=True)
    advanced = rollout.turn(stage="legacy")
    assert advanced.wanted is None
    assert (rollout.record.state, rollout.record.attempt) == (State.WAITING, 2)
    assert [entry.what for entry in advanced.audit] == ["refused", "taken over"]
    rollout.turn()
    assert rollout.record.state is State.SHADOWING


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
    rollout = Rollout().reach(State.CANARY)
    rollout.turn(**other)
    rollout.turn(**other)
    assert (rollout.record.state, rollout.share) == (State.HOLDING, 0.01)
    assert rollout.record.held is not None
    assert rollout.record.held.state is State.CANARY
    rollout.turn()
    assert rollout.record.state is State.PROMOTING
    assert [entry.what for entry in rollout.audit[-3:]] == ["held", "released", "passed"]


def test_too_little_evidence_is_no_hold() -> None:
    rollout = Rollout().reach(State.CANARY)
    rollout.turn(errors=callers(POLICY, rollout.record, rollout.now + 1, extracted=0, control=5, seen=None))
    assert rollout.record.state is State.CANARY


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


def test_dependents_go_back_with_their_dependency() -> None:
    rollout = Rollout(replace(POLICY, depends_on=("users",)))
    while rollout.record.state is not State.CANARY:
        rollout.turn(dependencies=(Dependency("users", 1.0, False),))
    rollout.turn(dependencies=(Dependency("users", 0.0, True),))
    assert rollout.record.state is State.ROLLED_BACK
    assert rollout.record.reason == "users rolled back, which this migration depends on"


@pytest.mark.parametrize("dependencies", [(), (Dependency("users", 0.0, False),), (Dependency("users", 0.0, True),)])
def test_rollout_waits_for_its_dependency(dependencies: tuple[Dependency, ...]) -> None:
    rollout = Rollout(replace(POLICY, depends_on=("users",)))
    for _ in range(3):
        rollout.turn(dependencies=dependencies)
    assert rollout.record.state is State.WAITING


def test_dry_run_decides_and_records_but_moves_nobody() -> None:
    rollout = Rollout(replace(POLICY, dry_run=True))
    for _ in range(10):
        rollout.turn()
    assert (rollout.record.state, rollout.share) == (State.PROVING, 0.0)
    decided = [entry for entry in rollout.audit if entry.dry_run]
    assert [(entry.what, entry.to_state, entry.to_share) for entry in decided] == [("passed", State.PROMOTING, 0.01)]


def test_rollout_without_shadowing_goes_straight_to_its_first_share() -> None:
    policy = replace(POLICY, steps=(1.0, 100.0), equivalence=None, metrics={})
    rollout = Rollout(policy).reach(State.CANARY)
    assert (rollout.record.step, rollout.share) == (0, 0.01)
    rollout.reach(State.EXTRACTED)


@pytest.mark.parametrize(
    ("state", "other"),
    [
        (State.SHADOWING, {"equivalence": Unavailable("no pairs arrive")}),
        (State.PROVING, {"equivalence": Unavailable("no pairs arrive")}),
        (State.PROMOTING, {"published": None}),
    ],
)
def test_rollout_that_makes_no_progress_is_stuck_and_can_go_on(state: State, other: dict[str, object]) -> None:
    deadlines = Deadlines(shadowing=5, proving=5, promoting=5, holding=5)
    rollout = Rollout(replace(POLICY, deadlines=deadlines)).reach(state)
    for _ in range(8):
        rollout.turn(**other)
    assert rollout.record.stuck is not None
    assert [entry.what for entry in rollout.audit].count("stuck") == 1
    rollout.turn()
    assert rollout.record.stuck is None


def test_stuck_promotion_can_roll_back() -> None:
    rollout = Rollout(replace(POLICY, deadlines=Deadlines(promoting=2))).reach(State.PROMOTING)
    for _ in range(4):
        rollout.turn(published=None)
    assert rollout.record.stuck is not None
    rollout.turn(published=None, metrics={"checkout": MetricValue(rollout.now + 1, 1.0)})
    assert (rollout.record.state, rollout.share) == (State.ROLLED_BACK, 0.0)


def test_evidence_by_default_lets_nothing_pass() -> None:
    rollout = Rollout().reach(State.CANARY)
    rollout.now += 1
    rollout.advance(Evidence(revision=REVISION))
    assert rollout.record.state is State.HOLDING


def test_long_good_evidence_begins_another_rollback_test() -> None:
    rollout = Rollout(replace(POLICY, approve_before=frozenset({100.0}))).reach(State.CANARY, step=2)
    # The first test was that of the first step; a thousand callers, half on each side, have ended the second.
    assert rollout.record.rollback_test("errors") == RollbackTest(3, 500, 500)
    # Forty more on the extracted side and none on the other are little beside a thousand, but not in this test.
    broken = callers(rollout.policy, rollout.record, rollout.now + 1, extracted=540, control=500)
    rollout.turn(errors=broken)
    assert rollout.record.state is State.ROLLED_BACK
