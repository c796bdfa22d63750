"""What keeps a rollout from moving forward: windows in their time zone, freezes, dependencies, approvals."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from strangler.rollout.evidence import Dependency, RolloutEvidence
from strangler.rollout.holds import (
    approval_hold,
    beginning_holds,
    dependency_hold,
    promotion_holds,
    rolled_back_dependency,
    window_hold,
)
from strangler.rollout.policy import RolloutPolicy, Window
from strangler.rollout.record import Record
from strangler.rollout.states import RolloutState
from tests.rollout.scenario import REVISION, Rollout

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = 3600.0
OFFICE = Window(frozenset(range(4)), 9 * HOUR, 16 * HOUR, BERLIN)
NIGHT = Window(frozenset({4}), 22 * HOUR, 4 * HOUR, BERLIN)
POLICY = RolloutPolicy(depends_on=("users",), approve_before=frozenset({100.0}))
RECORD = Record(migration="catalog", revision=REVISION, state=RolloutState.CANARY, step=4)


def at(text: str, zone: ZoneInfo = BERLIN) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-11-30 08:59:59", False),
        ("2026-11-30 09:00", True),
        ("2026-12-03 15:59:59", True),
        ("2026-12-03 16:00", False),
        ("2026-12-04 10:00", False),
        ("2026-12-04 22:00", True),
        ("2026-12-05 03:59", True),
        ("2026-12-05 04:00", False),
        ("2026-12-05 22:00", False),
    ],
)
def test_windows_are_open_in_their_own_time_zone(moment: str, is_open: bool) -> None:
    assert (window_hold((OFFICE, NIGHT), at(moment)) is None) is is_open


def test_hold_says_when_the_next_window_opens() -> None:
    assert window_hold((OFFICE, NIGHT), at("2026-12-05 05:00")) == (
        "outside of the windows; the next one opens at 2026-12-07T09:00+01:00"
    )


def test_window_follows_summer_time() -> None:
    assert window_hold((OFFICE,), at("2026-03-30 07:00", ZoneInfo("UTC"))) is None
    assert window_hold((OFFICE,), at("2026-03-26 07:30", ZoneInfo("UTC"))) is not None


def test_no_window_is_always_open_and_a_window_without_days_never() -> None:
    assert window_hold((), 0.0) is None
    never = window_hold((replace(OFFICE, days=frozenset()),), 0.0)
    assert never == "outside of the windows, of which none ever opens"


@pytest.mark.parametrize(
    ("dependencies", "cause"),
    [
        ((Dependency("users", 0.25, False),), None),
        ((Dependency("users", 0.05, False),), "users is at 0.05 of its callers, this migration would be at 0.25"),
        ((Dependency("users", 1.0, True),), "users is rolled back"),
        ((Dependency("orders", 1.0, False),), "where users stands is not known"),
    ],
)
def test_migration_does_not_overtake_its_dependency(dependencies: tuple[Dependency, ...], cause: str | None) -> None:
    assert dependency_hold(POLICY, dependencies, 0.25) == cause


def test_only_own_dependencies_take_a_migration_back() -> None:
    assert rolled_back_dependency(POLICY, (Dependency("orders", 0.0, True),)) is None
    assert rolled_back_dependency(POLICY, (Dependency("users", 0.0, True),)) is not None


def test_approval_is_for_one_step() -> None:
    assert approval_hold(POLICY, RECORD, 4) is None
    assert approval_hold(POLICY, RECORD, 5) == "100 % needs the approval of a person"
    assert approval_hold(POLICY, replace(RECORD, approved=5), 5) is None
    assert approval_hold(POLICY, replace(RECORD, approved=4), 5) is not None


def test_all_causes_are_named() -> None:
    evidence = RolloutEvidence(revision=REVISION, freeze="Christmas")
    policy = replace(POLICY, windows=(OFFICE,))
    causes = promotion_holds(policy, RECORD, evidence, 5, at("2026-12-05 10:00"))
    assert [cause.split()[0] for cause in causes] == ["frozen:", "where", "outside", "100"]
    assert len(beginning_holds(policy, evidence)) == 2


def test_rollout_outside_of_its_windows_holds_but_still_rolls_back() -> None:
    rollout = Rollout(replace(Rollout().policy, windows=(OFFICE,)), now=at("2026-11-30 09:00")).reach(
        RolloutState.CANARY
    )
    rollout.now = at("2026-11-30 20:00")
    rollout.turn()
    rollout.turn()
    assert rollout.record.state is RolloutState.HOLDING
    assert rollout.record.reason.startswith("outside of the windows")
    rollout.turn(metrics={})
    assert "checkout can't be measured" in rollout.record.reason
    rollout.now = at("2026-12-01 09:00")
    rollout.turn()
    assert rollout.record.state is RolloutState.CANARY
    rollout.turn()
    assert rollout.record.state is RolloutState.PROMOTING
