"""One turn of the controller: from the record, the evidence and the time to the next record.

The shell reads evidence, calls `advance`, saves the record with the audit entries
in one transaction, and only then publishes what is wanted. It may die between any
two of these: the next turn begins from the record that was saved.

1. Time. What a state has lasted is counted by turns, each with `LONGEST_TURN` at
   most, so that a clock that jumps serves no time. In the turn after a jump
   nothing is promoted by itself.
2. The YAML. Any other stage than `rollout` outranks the controller.
3. The revision. Another one begins the proof anew.
4. Commands, in their order.
5. Failures of gates and dependencies. They are looked at in every turn and every
   state, also after a promotion by command.
6. Forward, if nothing of 3 and 5 happened and no command moved the rollout: at
   most one transition, except that a hold may end and the promotion it held back
   follow in the same turn.
7. What the next turn needs: thresholds that were not frozen yet, rollback tests
   that begin anew, the deadline of the state.
"""

from __future__ import annotations

from typing import NamedTuple

from strangler.rollout.audit import AuditEntry
from strangler.rollout.commands import carry_out
from strangler.rollout.evidence import RolloutEvidence
from strangler.rollout.moves import Move, failure, forward, hold_cause
from strangler.rollout.policy import RolloutPolicy
from strangler.rollout.record import Record, Wanted, wanted
from strangler.rollout.states import Event, RolloutState
from strangler.rollout.turn import Turn


class Advanced(NamedTuple):
    """What a turn leads to. `wanted` is None while the YAML decides, not the controller."""

    record: Record
    audit: tuple[AuditEntry, ...]
    wanted: Wanted | None


def advance(policy: RolloutPolicy, record: Record, evidence: RolloutEvidence, now: float) -> Advanced:
    """The record after one turn at the time `now`, with the audit entries of the turn and what workers should do."""
    turn = Turn(policy, record, evidence, now)
    if evidence.stage is not None:
        _take_over(turn, evidence.stage)
        return Advanced(turn.finished(), tuple(turn.audit), None)
    moved = _revise(turn) | _obey(turn) | _fail(turn)
    if not moved:
        _go_forward(turn)
    turn.prepare_next()
    after = turn.finished()
    return Advanced(after, tuple(turn.audit), wanted(policy, after))


def _take_over(turn: Turn, stage: str) -> None:
    for command in turn.new_commands():
        turn.note("refused", command.who, f"the stage in the configuration is {stage}, not rollout")
    if turn.record.state not in (RolloutState.WAITING, RolloutState.ROLLED_BACK):
        turn.apply(Move(Event.TAKEN_OVER, f"the stage in the configuration is {stage}", "configuration"))


def _revise(turn: Turn) -> bool:
    present = turn.evidence.revision
    if present == turn.record.revision:
        return False
    turn.apply(Move(Event.REVISED, f"the revision is {present}, was {turn.record.revision}", "configuration"))
    return True


def _obey(turn: Turn) -> bool:
    moved = False
    for command in turn.new_commands():
        outcome = carry_out(command, turn.sight())
        turn.record = outcome.record
        if outcome.refusal:
            turn.note("refused", command.who, f"{command.kind}: {outcome.refusal}")
        elif not outcome.moves:
            turn.note(outcome.what, command.who, command.reason)
        for move in outcome.moves:
            moved |= turn.apply(move)
    return moved


def _fail(turn: Turn) -> bool:
    move = failure(turn.sight())
    return move is not None and turn.apply(move)


def _go_forward(turn: Turn) -> None:
    move = forward(turn.sight())
    if move is not None and move.event is Event.RELEASED:
        turn.apply(move)
        move = forward(turn.sight())
    if move is not None:
        turn.apply(move)
    elif turn.record.state is RolloutState.HOLDING:
        turn.keep_holding(hold_cause(turn.sight()) or "")
