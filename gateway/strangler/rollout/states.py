"""The state machine of a rollout.

Everything that decides which state may follow which stands here, in a table;
`advance` decides which event happens, and knows of no transition of its own.

Theory of operation
===================

A rollout is in one of nine states. Six of them are the way forward:

    waiting → shadowing → proving → canary → promoting → watching → extracted

1. WAITING. No caller is moved and no request is copied. Left when the migration
   may begin: its dependencies are there, no freeze, within a window.
2. SHADOWING. Copies are asked for; nothing counts yet. Left when the comparison
   has passed its self-test from end to end and pairs arrive.
3. PROVING. Pairs count. Left when all gates of the first share pass.
4. CANARY, with the index of the step. A share of the callers is on the extracted
   side. Left when all gates pass on evidence of this very step.
5. PROMOTING. The next share is decided and published, but not every worker has
   acknowledged it. Left when each has: into CANARY, or after the last step into
   WATCHING. So CANARY is passed through once a step, with PROMOTING before each.
6. WATCHING. All callers are on the extracted side, shadowed in reverse. Left when
   the time to watch is served and all gates pass.
7. EXTRACTED. The controller is done. A person can still roll back.

Two are beside the way:

8. HOLDING. The share stays as it is. It remembers the state that it holds, and
   goes back to it when the cause ends: a person's pause, a window, a freeze, an
   approval, a dependency, or a gate that can't be measured. A gate that has
   not enough evidence yet is no cause: collecting is what CANARY is for.
9. ROLLED_BACK. All callers are on the legacy side. Only a person leads out of
   it, to WAITING, with a new attempt that proves everything anew.

And there is one flag, *stuck*, which is no state, because a rollout can be
stuck anywhere and a stuck rollout still has to roll back (`record.Stuck`).

Events, strongest first
=======================

When several events happen in the same turn, the first in this order counts.
Nothing is promoted in the turn of another event, with one exception: when a hold
ends, the promotion that it held back may follow at once.

- TAKEN_OVER: the YAML names another stage. That is a person's word, and the
  controller is silent until the stage is `rollout` again. It then begins from the
  start, except that a rollback lasts.
- FAILED: a gate failed, a dependency rolled back, or a person ordered it. It
  leads to ROLLED_BACK from every state, also from PROMOTING.
- REVISED: the present revision is another one than that of the record. What was
  proven was proven of something else, so the proof begins anew, with no caller
  on the extracted side. A rollback is not lifted by it, and a finished migration
  stays finished: later releases of its service are not part of the rollout.
- RESUMED: a person ends a rollback. (The end of a pause is RELEASED.)
- HELD, RELEASED: a cause to hold begins and ends.
- BEGUN, COMPARED, PASSED, ACKNOWLEDGED: the way forward, as above.

A pair that is not in the table can't happen: `next_state` raises, and the caller
leaves everything as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class RolloutState(StrEnum):
    """Where a rollout stands."""

    WAITING = "waiting"
    SHADOWING = "shadowing"
    PROVING = "proving"
    CANARY = "canary"
    PROMOTING = "promoting"
    WATCHING = "watching"
    EXTRACTED = "extracted"
    HOLDING = "holding"
    ROLLED_BACK = "rolled back"


class Event(StrEnum):
    """What moves a rollout, strongest first."""

    TAKEN_OVER = "taken over"
    FAILED = "failed"
    REVISED = "revised"
    RESUMED = "resumed"
    HELD = "held"
    RELEASED = "released"
    BEGUN = "begun"
    COMPARED = "compared"
    PASSED = "passed"
    ACKNOWLEDGED = "acknowledged"


class Follow(StrEnum):
    """A next state that depends on the record."""

    HELD_STATE = "the state that it holds"
    STEP_STATE = "watching after the last step, canary after any other"


class NoTransition(Exception):
    """An event that can't happen in this state."""


_S, _E = RolloutState, Event

# One row a state: what each event leads to.
TRANSITIONS: Mapping[RolloutState, Mapping[Event, RolloutState | Follow]] = MappingProxyType(
    {
        _S.WAITING: {
            _E.TAKEN_OVER: _S.WAITING,
            _E.FAILED: _S.ROLLED_BACK,
            _E.REVISED: _S.WAITING,
            _E.HELD: _S.HOLDING,
            _E.BEGUN: _S.SHADOWING,
        },
        _S.SHADOWING: {
            _E.TAKEN_OVER: _S.WAITING,
            _E.FAILED: _S.ROLLED_BACK,
            _E.REVISED: _S.WAITING,
            _E.HELD: _S.HOLDING,
            _E.COMPARED: _S.PROVING,
        },
        _S.PROVING: {
            _E.TAKEN_OVER: _S.WAITING,
            _E.FAILED: _S.ROLLED_BACK,
            _E.REVISED: _S.WAITING,
            _E.HELD: _S.HOLDING,
            _E.PASSED: _S.PROMOTING,
        },
        _S.CANARY: {
            _E.TAKEN_OVER: _S.WAITING,
            _E.FAILED: _S.ROLLED_BACK,
            _E.REVISED: _S.WAITING,
            _E.HELD: _S.HOLDING,
            _E.PASSED: _S.PROMOTING,
        },
        _S.PROMOTING: {
            _E.TAKEN_OVER: _S.WAITING,
            _E.FAILED: _S.ROLLED_BACK,
            _E.REVISED: _S.WAITING,
            _E.HELD: _S.HOLDING,
            _E.ACKNOWLEDGED: Follow.STEP_STATE,
        },
        _S.WATCHING: {
            _E.TAKEN_OVER: _S.WAITING,
            _E.FAILED: _S.ROLLED_BACK,
            _E.REVISED: _S.WAITING,
            _E.HELD: _S.HOLDING,
            _E.PASSED: _S.EXTRACTED,
        },
        _S.EXTRACTED: {
            _E.TAKEN_OVER: _S.WAITING,
            _E.FAILED: _S.ROLLED_BACK,
            _E.REVISED: _S.EXTRACTED,
        },
        _S.HOLDING: {
            _E.TAKEN_OVER: _S.WAITING,
            _E.FAILED: _S.ROLLED_BACK,
            _E.REVISED: _S.WAITING,
            _E.RELEASED: Follow.HELD_STATE,
        },
        _S.ROLLED_BACK: {
            _E.TAKEN_OVER: _S.ROLLED_BACK,
            _E.FAILED: _S.ROLLED_BACK,
            _E.REVISED: _S.ROLLED_BACK,
            _E.RESUMED: _S.WAITING,
        },
    }
)


def next_state(state: RolloutState, event: Event, *, held: RolloutState | None, is_last_step: bool) -> RolloutState:
    """The state that follows, where `held` is what HOLDING holds. Raises NoTransition."""
    follows = TRANSITIONS[state].get(event)
    match follows:
        case Follow.STEP_STATE:
            return RolloutState.WATCHING if is_last_step else RolloutState.CANARY
        case Follow.HELD_STATE if held is not None:
            return held
        case RolloutState():
            return follows
        case _:
            raise NoTransition(f"'{event}' can't happen to a rollout that is {state}")
