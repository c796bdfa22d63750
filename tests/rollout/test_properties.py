"""Whatever happens to a rollout, in whatever order: what it may never do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strangler.rollout.advance import advance
from strangler.rollout.evidence import (
    CommandKind,
    Dependency,
    MetricValue,
    Published,
    RolloutEvidence,
    Scope,
    Unavailable,
)
from strangler.rollout.record import from_json, to_json, wanted
from strangler.rollout.states import Event, RolloutState
from tests.rollout.scenario import EVERY_STATE, POLICY, REVISION, Rollout, callers, pairs

TROUBLE: dict[str, Callable[[Rollout], dict[str, Any]]] = {
    "store lost": lambda rollout: dict.fromkeys(("equivalence", "errors", "latency"), Unavailable("the store is away")),
    "nothing read": lambda rollout: {
        "equivalence": Unavailable("no"),
        "errors": Unavailable("no"),
        "latency": Unavailable("no"),
        "metrics": {},
        "published": None,
    },
    "stale pairs": lambda rollout: {"equivalence": pairs(rollout.record, rollout.now - 3600)},
    "stale callers": lambda rollout: {"errors": callers(rollout.policy, rollout.record, rollout.now - 3600)},
    "callers of the future": lambda rollout: {"errors": callers(rollout.policy, rollout.record, rollout.now + 3600)},
    "pairs of another revision": lambda rollout: {"equivalence": pairs(rollout.record, rollout.now, scope=Scope("r0"))},
    "pairs of another attempt": lambda rollout: {
        "equivalence": pairs(rollout.record, rollout.now, scope=Scope(rollout.record.revision, 99))
    },
    "callers of another step": lambda rollout: {
        "errors": callers(
            rollout.policy,
            rollout.record,
            rollout.now,
            scope=rollout.record.scope._replace(step=rollout.record.step + 1),
        )
    },
    "few callers": lambda rollout: {
        "errors": callers(rollout.policy, rollout.record, rollout.now, extracted=0, control=0, seen=None)
    },
    "unproven pairs": lambda rollout: {"equivalence": pairs(rollout.record, rollout.now, missing=5)},
    "no self-test": lambda rollout: {"equivalence": pairs(rollout.record, rollout.now, tested_at=None)},
    "failed self-test": lambda rollout: {"equivalence": pairs(rollout.record, rollout.now, failure="broken")},
    "empty vector": lambda rollout: {"metrics": {"checkout": Unavailable("an empty vector")}},
    "bad metric": lambda rollout: {"metrics": {"checkout": MetricValue(rollout.now, 1.0)}},
    "bad release": lambda rollout: {"errors": callers(rollout.policy, rollout.record, rollout.now, ratio=5.0)},
    "mismatches": lambda rollout: {"equivalence": pairs(rollout.record, rollout.now, missing=None, mismatched=900)},
    "freeze": lambda rollout: {"freeze": "Christmas"},
    "dependency away": lambda rollout: {"dependencies": ()},
    "dependency back": lambda rollout: {"dependencies": (Dependency("users", 0.0, True),)},
    "new revision": lambda rollout: {"revision": "r2" if rollout.record.revision == REVISION else REVISION},
    "stage in the YAML": lambda rollout: {"stage": "canary"},
}
CALLERS = {name for name in TROUBLE if "callers" in name} | {"bad release"}
"""Trouble that does not count while no caller is on the extracted side."""
UNSTEADY = (-86_400.0, -1.0, 61.0, 3600.0, 30 * 86_400.0)
WATCHED = (RolloutState.PROVING, RolloutState.CANARY, RolloutState.WATCHING)


@dataclass(frozen=True)
class Happening:
    """What happens in one turn: seconds since the last, trouble with the evidence, and an order."""

    after: float
    trouble: tuple[str, ...]
    order: CommandKind | None
    acknowledged: bool

    def is_good(self, state: RolloutState) -> bool:
        """Whether the controller may promote by itself in this turn, if the rollout is in the state."""
        trouble = set(self.trouble) - (CALLERS if state is RolloutState.PROVING else set())
        return not trouble and self.after not in UNSTEADY


happenings = st.builds(
    Happening,
    after=st.sampled_from((1.0,) * 12 + (60.0,) * 4 + UNSTEADY),
    trouble=st.lists(st.sampled_from(sorted(TROUBLE)), max_size=2).map(tuple) | st.just(()) | st.just(()),
    order=st.none() | st.none() | st.none() | st.sampled_from(CommandKind),
    acknowledged=st.booleans() | st.just(True),
)
beginnings = st.sampled_from([state for state in EVERY_STATE if state is not RolloutState.EXTRACTED])


def rollout_in(state: RolloutState) -> Rollout:
    usual = {"dependencies": (Dependency("users", 1.0, False),)}
    rollout = Rollout(replace(POLICY, depends_on=("users",)), usual=usual)
    return rollout.reach(state)


def evidence_of(rollout: Rollout, happening: Happening) -> RolloutEvidence:
    """The evidence of the turn; orders never force, and are about what the person sees."""
    rollout.now += happening.after
    if happening.order is not None:
        rollout.order(happening.order)
    other: dict[str, Any] = {"revision": rollout.record.revision}
    if not happening.acknowledged:
        other["published"] = Published(rollout.record.publication, 2, 1)
    for trouble in happening.trouble:
        other |= TROUBLE[trouble](rollout)
    return rollout.evidence(**other)


@settings(max_examples=300, deadline=None)
@given(beginnings, st.lists(happenings, min_size=1, max_size=25))
def test_nothing_promotes_without_every_gate_passing_on_present_evidence(
    state: RolloutState, turns: list[Happening]
) -> None:
    rollout = rollout_in(state)
    for happening in turns:
        before = rollout.record
        evidence = evidence_of(rollout, happening)
        advanced = rollout.advance(evidence)
        promotions = [entry for entry in advanced.audit if entry.what == str(Event.PASSED)]
        if promotions:
            assert happening.is_good(before.effective)
            assert before.effective in WATCHED
            assert evidence.revision == before.revision == advanced.record.revision
            assert not any(entry.forced for entry in promotions)
        # No share rises but by a promotion, and by one step alone.
        shares = wanted(rollout.policy, before).share, wanted(rollout.policy, advanced.record).share
        if shares[1] > shares[0]:
            assert len(promotions) == 1
            assert advanced.record.step == before.step + 1


@settings(max_examples=150, deadline=None)
@given(beginnings, st.lists(happenings, max_size=20))
def test_rollback_is_possible_after_anything_and_lasts_until_resumed(
    state: RolloutState, turns: list[Happening]
) -> None:
    rollout = rollout_in(state)
    for happening in turns:
        rollout.advance(evidence_of(rollout, happening))
    rollout.order(CommandKind.ROLLBACK)
    rollout.turn(revision=rollout.record.revision)
    assert (rollout.record.state, rollout.share) == (RolloutState.ROLLED_BACK, 0.0)
    for happening in turns:
        order = None if happening.order is CommandKind.RESUME else happening.order
        rollout.advance(evidence_of(rollout, replace(happening, order=order)))
        assert (rollout.record.state, rollout.share) == (RolloutState.ROLLED_BACK, 0.0)


@settings(max_examples=150, deadline=None)
@given(beginnings, st.lists(happenings, max_size=20))
def test_restart_from_the_stored_record_behaves_the_same(state: RolloutState, turns: list[Happening]) -> None:
    rollout = rollout_in(state)
    for happening in turns:
        stored = to_json(rollout.record)
        evidence = evidence_of(rollout, happening)
        restarted = advance(rollout.policy, from_json(stored), evidence, rollout.now)
        assert restarted == rollout.advance(evidence)


@pytest.mark.parametrize("jump", UNSTEADY)
@pytest.mark.parametrize("state", WATCHED)
def test_clock_that_jumps_never_promotes(state: RolloutState, jump: float) -> None:
    rollout = Rollout().reach(state)
    share, served = rollout.share, rollout.record.served
    rollout.turn(after=jump)
    assert (rollout.record.effective, rollout.share) == (state, share)
    assert rollout.record.served <= served + 60


def test_clock_that_jumps_does_not_end_the_watch() -> None:
    rollout = Rollout().reach(RolloutState.WATCHING)
    for _ in range(100):
        rollout.turn(after=30 * 86_400.0)
        rollout.turn()
    assert rollout.record.state is RolloutState.WATCHING
    assert rollout.record.served <= 100 * 61


@pytest.mark.parametrize(
    ("state", "trouble"),
    [(RolloutState.CANARY, trouble) for trouble in sorted(TROUBLE)]
    + [(RolloutState.PROVING, trouble) for trouble in sorted(TROUBLE.keys() - CALLERS)],
)
def test_trouble_that_lasts_never_raises_the_share(state: RolloutState, trouble: str) -> None:
    rollout = rollout_in(state)
    share = rollout.share
    for _ in range(10):
        rollout.now += 1
        # A revision changes once and then stays, which is no trouble: the rollout begins anew and goes on.
        if trouble == "new revision" and rollout.record.state is RolloutState.WAITING:
            break
        rollout.advance(rollout.evidence(**TROUBLE[trouble](rollout)))
        assert rollout.share <= share
