"""The state machine: its table row by row, and each row once more as a rollout takes it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from strangler.rollout import states
from strangler.rollout.states import TRANSITIONS, Event, NoTransition, RolloutState, next_state

# The table once more, written independently. A dash is "can't happen"; what depends on the
# record is written for a rollout that holds a canary, and at a step that is not the last.
EXPECTED = """
             taken over   failed       revised      resumed  held     released  begun      compared  passed     acknowledged
waiting      waiting      rolled back  waiting      -        holding  -         shadowing  -         -          -
shadowing    waiting      rolled back  waiting      -        holding  -         -          proving   -          -
proving      waiting      rolled back  waiting      -        holding  -         -          -         promoting  -
canary       waiting      rolled back  waiting      -        holding  -         -          -         promoting  -
promoting    waiting      rolled back  waiting      -        holding  -         -          -         -          canary
watching     waiting      rolled back  waiting      -        holding  -         -          -         extracted  -
extracted    waiting      rolled back  extracted    -        -        -         -          -         -          -
holding      waiting      rolled back  waiting      -        -        canary    -          -         -          -
rolled back  rolled back  rolled back  rolled back  waiting  -        -         -          -         -          -
"""  # noqa: E501


def rows() -> list[tuple[RolloutState, Event, str]]:
    head, *lines = (re.split(r"\s{2,}", line.strip()) for line in EXPECTED.strip().splitlines())
    return [
        (RolloutState(line[0]), Event(event), cell)
        for line in lines
        for event, cell in zip(head, line[1:], strict=True)
    ]


@pytest.mark.parametrize(("state", "event", "expected"), rows(), ids=lambda value: str(value))
def test_table_row(state: RolloutState, event: Event, expected: str) -> None:
    if expected == "-":
        with pytest.raises(NoTransition, match=f"'{event}' can't happen to a rollout that is {state}"):
            next_state(state, event, held=RolloutState.CANARY, is_last_step=False)
    else:
        assert next_state(state, event, held=RolloutState.CANARY, is_last_step=False) == expected


def test_table_has_a_row_for_each_state() -> None:
    assert set(TRANSITIONS) == set(RolloutState)
    assert {(state, event) for state, event, _ in rows()} == {
        (state, event) for state in RolloutState for event in Event
    }


def test_last_step_is_followed_by_watching() -> None:
    assert next_state(RolloutState.PROMOTING, Event.ACKNOWLEDGED, held=None, is_last_step=True) is RolloutState.WATCHING


@pytest.mark.parametrize("state", RolloutState)
def test_rollback_is_possible_from_every_state(state: RolloutState) -> None:
    assert next_state(state, Event.FAILED, held=RolloutState.CANARY, is_last_step=False) is RolloutState.ROLLED_BACK


def test_hold_that_holds_nothing_has_no_way_on() -> None:
    with pytest.raises(NoTransition):
        next_state(RolloutState.HOLDING, Event.RELEASED, held=None, is_last_step=False)


def test_prose_explains_every_state_and_event() -> None:
    prose = Path(states.__file__).read_text().split('"""')[1]
    for name in (*RolloutState.__members__, *Event.__members__):
        assert name in prose
