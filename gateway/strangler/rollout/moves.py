"""Which event happens next to a rollout, by itself: from the record, the evidence and the gates' readings.

Commands of people are in `commands`; what an event does is in `turn`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from strangler.rollout.audit import CONTROLLER
from strangler.rollout.evidence import RolloutEvidence
from strangler.rollout.gates.equivalence import is_comparing
from strangler.rollout.holds import beginning_holds, promotion_holds, rolled_back_dependency
from strangler.rollout.policy import RolloutPolicy
from strangler.rollout.record import Record, wanted
from strangler.rollout.results import CannotMeasure, Failed, Passed, Reading
from strangler.rollout.states import Event, RolloutState


class Move(NamedTuple):
    """An event, why it happens and by whom."""

    event: Event
    reason: str
    who: str = CONTROLLER
    forced: bool = False


class Sight(NamedTuple):
    """All that a decision is made from. `steady`: the clock did not jump since the last turn."""

    policy: RolloutPolicy
    record: Record
    evidence: RolloutEvidence
    readings: tuple[Reading, ...]
    now: float
    steady: bool


def failure(sight: Sight) -> Move | None:
    """The rollback that a gate or a dependency demands."""
    record = sight.record
    if record.state is RolloutState.ROLLED_BACK:
        return None
    for reading in sight.readings:
        if isinstance(reading.result, Failed):
            return Move(Event.FAILED, str(reading))
    if wanted(sight.policy, record).share > 0:
        cause = rolled_back_dependency(sight.policy, sight.evidence.dependencies)
        if cause is not None:
            return Move(Event.FAILED, cause)
    return None


def next_step(policy: RolloutPolicy, record: Record) -> int:
    """The index of the step that a promotion leads to; from the last step on, that step."""
    if record.effective is RolloutState.PROVING and not policy.is_shadowed_first:
        return 0
    return min(record.step + 1, len(policy.steps) - 1)


def hold_cause(sight: Sight) -> str | None:
    """Why the rollout has to hold in its state, or in the state that it holds; None where it need not."""
    record, readings = sight.record, sight.readings
    if record.pause is not None:
        return f"paused by {record.pause.who}: {record.pause.reason}"
    if record.effective not in (RolloutState.PROVING, RolloutState.CANARY, RolloutState.WATCHING):
        return None
    unmeasured = [str(reading) for reading in readings if isinstance(reading.result, CannotMeasure)]
    if unmeasured:
        return "; ".join(unmeasured)
    if not is_complete(sight):
        return None
    return "; ".join(promotion_causes(sight)) or None


def promotion_causes(sight: Sight) -> list[str]:
    """What keeps the rollout from its next step although its gates may pass."""
    policy, record = sight.policy, sight.record
    if record.effective is RolloutState.WATCHING:
        # The last step moves no caller any more.
        return []
    return promotion_holds(policy, record, sight.evidence, next_step(policy, record), sight.now)


def is_complete(sight: Sight) -> bool:
    """Whether all that the state waits for is there: every gate passes, and the time to watch is served."""
    record = sight.record
    served = record.served if record.held is None else record.held.served
    if record.effective is RolloutState.WATCHING and served < sight.policy.watch:
        return False
    return all(isinstance(reading.result, Passed) for reading in sight.readings)


def forward(sight: Sight) -> Move | None:
    """The event that follows when nothing stronger happened."""
    cause = hold_cause(sight)
    if sight.record.state is RolloutState.HOLDING:
        return None if cause is not None else Move(Event.RELEASED, "the cause to hold has ended")
    decide = _BY_STATE.get(sight.record.state)
    if decide is None:
        return None
    return decide(sight) if cause is None else Move(Event.HELD, cause)


def _begin(sight: Sight) -> Move | None:
    if beginning_holds(sight.policy, sight.evidence) or not sight.steady:
        return None
    return Move(Event.BEGUN, "nothing keeps the rollout from beginning")


def _compare(sight: Sight) -> Move | None:
    if not sight.policy.is_shadowed_first:
        return Move(Event.COMPARED, "the policy does not shadow first")
    if sight.policy.equivalence is None:
        return Move(Event.COMPARED, "the policy has no gate on equivalence")
    if is_comparing(sight.evidence.equivalence, sight.record.scope, sight.now):
        return Move(Event.COMPARED, "the comparison has passed its self-test, and pairs arrive")
    return None


def _promote(sight: Sight) -> Move | None:
    if not sight.steady or not is_complete(sight):
        return None
    return Move(Event.PASSED, "; ".join(map(str, sight.readings)) or "no gate counts before the first share")


def _acknowledge(sight: Sight) -> Move | None:
    published = sight.evidence.published
    if published is None or published.publication != sight.record.publication:
        return None
    if not 0 < published.workers <= published.acknowledged:
        return None
    return Move(Event.ACKNOWLEDGED, f"all {published.workers} workers have the snapshot")


_BY_STATE: dict[RolloutState, Callable[[Sight], Move | None]] = {
    RolloutState.WAITING: _begin,
    RolloutState.SHADOWING: _compare,
    RolloutState.PROVING: _promote,
    RolloutState.CANARY: _promote,
    RolloutState.PROMOTING: _acknowledge,
    RolloutState.WATCHING: _promote,
}
