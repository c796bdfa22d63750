"""The way forward: what a good release goes through, and what each turn leaves in record and audit."""

from __future__ import annotations

from dataclasses import replace

from strangler.rollout.evidence import (
    Published,
)
from strangler.rollout.record import RollbackTest
from strangler.rollout.states import RolloutState
from tests.rollout.scenario import POLICY, REVISION, Rollout, callers

UNTIL_EXTRACTED = (
    "waiting → shadowing, shadowing → proving, proving → promoting, promoting → canary, canary → promoting, "
    "promoting → canary, canary → promoting, promoting → watching, watching → extracted"
)


def test_good_release_goes_all_the_way() -> None:
    rollout = Rollout().reach(RolloutState.EXTRACTED)
    assert ", ".join(f"{entry.from_state} → {entry.to_state}" for entry in rollout.audit) == UNTIL_EXTRACTED
    shares = [(entry.from_share, entry.to_share) for entry in rollout.audit if entry.from_share != entry.to_share]
    assert shares == [(0.0, 0.01), (0.01, 0.5), (0.5, 1.0)]


def test_audit_has_gate_results_with_counts_and_e_values() -> None:
    rollout = Rollout().reach(RolloutState.PROMOTING, step=2)
    entry = rollout.audit[-1]
    assert (entry.who, entry.revision, entry.configuration) == ("controller", REVISION, "c1")
    assert [reading.gate for reading in entry.readings] == ["equivalence", "errors", "latency", "checkout"]
    errors = entry.readings[1].numbers
    assert (errors["extracted"], errors["control"], errors["share"]) == (10, 990, 0.01)
    assert errors["log_e_harmless"] > 6.9
    assert "not 5 times as many callers fail" in entry.reason


def test_promotion_waits_for_the_last_worker() -> None:
    rollout = Rollout().reach(RolloutState.PROMOTING)
    publication = rollout.record.publication
    for published in (
        None,
        Published(publication - 1, 2, 2),
        Published(publication, 2, 1),
        Published(publication, 0, 0),
    ):
        rollout.turn(published=published)
        assert rollout.record.state is RolloutState.PROMOTING
    rollout.turn(published=Published(publication, 3, 3))
    assert rollout.record.state is RolloutState.CANARY


def test_publication_rises_exactly_when_workers_need_something_else() -> None:
    rollout, seen = Rollout(), []
    while rollout.record.state is not RolloutState.WATCHING:
        before = rollout.wants
        rollout.turn()
        assert rollout.wants is not None
        if before is not None:
            assert (before.publication != rollout.wants.publication) is (before[1:] != rollout.wants[1:])
        seen.append(rollout.wants.publication)
    assert seen == sorted(seen)


def test_rollout_without_shadowing_goes_straight_to_its_first_share() -> None:
    policy = replace(POLICY, steps=(1.0, 100.0), equivalence=None, metrics={})
    rollout = Rollout(policy).reach(RolloutState.CANARY)
    assert (rollout.record.step, rollout.share) == (0, 0.01)
    rollout.reach(RolloutState.EXTRACTED)


def test_long_good_evidence_begins_another_rollback_test() -> None:
    rollout = Rollout(replace(POLICY, approve_before=frozenset({100.0}))).reach(RolloutState.CANARY, step=2)
    # The first test was that of the first step; a thousand callers, half on each side, have ended the second.
    assert rollout.record.rollback_test("errors") == RollbackTest(3, 500, 500)
    # Forty more on the extracted side and none on the other are little beside a thousand, but not in this test.
    broken = callers(rollout.policy, rollout.record, rollout.now + 1, extracted=540, control=500)
    rollout.turn(errors=broken)
    assert rollout.record.state is RolloutState.ROLLED_BACK
