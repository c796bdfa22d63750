"""What people order: each command is carried out once, in its order, or refused with the reason.

A person may promote past a gate that does not pass, with `force`. Force
does not outrank a gate that fails, a freeze, a pause or a dependency, and an order
about another revision or step is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from strangler.rollout.evidence import Command, CommandKind
from strangler.rollout.holds import dependency_hold, freeze_hold
from strangler.rollout.moves import Move, Sight, is_complete, next_step, promotion_causes
from strangler.rollout.record import Pause, Record
from strangler.rollout.results import Failed, Passed
from strangler.rollout.states import Event, RolloutState

FINISHED = (RolloutState.EXTRACTED, RolloutState.ROLLED_BACK)


class CommandResult(NamedTuple):
    """What a command does: the record with what it notes there, then these moves; `what` is for the audit."""

    what: str
    record: Record
    moves: tuple[Move, ...] = ()
    refusal: str = ""


def carry_out(command: Command, sight: Sight) -> CommandResult:
    """What `command` does to the rollout in `sight`."""
    return _BY_KIND[command.kind](command, sight)


def _refuse(sight: Sight, refusal: str) -> CommandResult:
    return CommandResult("refused", sight.record, refusal=refusal)


def _roll_back(command: Command, sight: Sight) -> CommandResult:
    if sight.record.state is RolloutState.ROLLED_BACK:
        return _refuse(sight, "the rollout is rolled back already")
    return CommandResult("rollback", sight.record, (Move(Event.FAILED, command.reason, command.who),))


def _pause(command: Command, sight: Sight) -> CommandResult:
    if sight.record.state in FINISHED:
        return _refuse(sight, f"a rollout that is {sight.record.state} can't be paused")
    return CommandResult("paused", replace(sight.record, pause=Pause(command.who, command.reason)))


def _resume(command: Command, sight: Sight) -> CommandResult:
    record = sight.record
    if record.state is RolloutState.ROLLED_BACK:
        return CommandResult("resume", record, (Move(Event.RESUMED, command.reason, command.who),))
    if record.pause is None:
        return _refuse(sight, "the rollout is neither paused nor rolled back")
    return CommandResult("resumed after a pause", replace(record, pause=None))


def _approve(command: Command, sight: Sight) -> CommandResult:
    policy, record = sight.policy, sight.record
    if command.scope is None or command.scope[:3] != record.scope[:3]:
        return _refuse(sight, _other_scope(sight))
    step = next_step(policy, record)
    if (
        record.effective not in (RolloutState.PROVING, RolloutState.CANARY)
        or policy.steps[step] not in policy.approve_before
    ):
        return _refuse(sight, "the next step needs no approval")
    return CommandResult("approved", replace(record, approved=step))


def _promote(command: Command, sight: Sight) -> CommandResult:
    record, readings = sight.record, sight.readings
    if command.scope is None or command.scope[:3] != record.scope[:3]:
        return _refuse(sight, _other_scope(sight))
    if record.effective not in (RolloutState.PROVING, RolloutState.CANARY, RolloutState.WATCHING):
        return _refuse(sight, f"a rollout that is {record.effective} can't be promoted")
    if record.pause is not None:
        return _refuse(sight, "the rollout is paused; resume it first")
    if any(isinstance(reading.result, Failed) for reading in readings):
        return _refuse(sight, "a gate fails")
    step = next_step(sight.policy, record)
    share = sight.policy.steps[step] / 100
    forbidden = freeze_hold(sight.evidence) or dependency_hold(sight.policy, sight.evidence.dependencies, share)
    if forbidden is not None:
        return _refuse(sight, forbidden)
    complete = is_complete(sight) and sight.steady and not promotion_causes(sight)
    if not complete and not command.force:
        return _refuse(sight, f"{_first_obstacle(sight)}; --force promotes all the same")
    forced = not complete
    promotion = Move(Event.PASSED, command.reason, command.who, forced)
    if record.state is RolloutState.HOLDING:
        return CommandResult("promote", record, (promotion._replace(event=Event.RELEASED), promotion))
    return CommandResult("promote", record, (promotion,))


def _first_obstacle(sight: Sight) -> str:
    for reading in sight.readings:
        if not isinstance(reading.result, Passed):
            return str(reading)
    if not sight.steady:
        return "the clock jumped"
    causes = promotion_causes(sight)
    return causes[0] if causes else "the time to watch is not served"


def _other_scope(sight: Sight) -> str:
    scope = sight.record.scope
    return f"the order is not about revision {scope.revision}, attempt {scope.attempt}, step {scope.step}"


_BY_KIND: dict[CommandKind, Callable[[Command, Sight], CommandResult]] = {
    CommandKind.APPROVE: _approve,
    CommandKind.PAUSE: _pause,
    CommandKind.RESUME: _resume,
    CommandKind.ROLLBACK: _roll_back,
    CommandKind.PROMOTE: _promote,
}
