"""One turn of one rollout in the control process: from what is stored to what to save. Without I/O."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from strangler.config.compile.rollout import Placement
from strangler.control.rollouts.plans import RolloutPlan
from strangler.control.rollouts.record_store import Change, StoredRecord
from strangler.control.rollouts.scopes import scope_text
from strangler.model.migration import CallerCounting
from strangler.rollout.advance import Advanced, advance
from strangler.rollout.audit import AuditEntry, as_dict
from strangler.rollout.evidence import Command, Dependency, RolloutEvidence
from strangler.rollout.gates.readings import read_gates
from strangler.rollout.policy import SHADOW, RolloutPolicy
from strangler.rollout.record import Record, wanted
from strangler.rollout.results import CannotMeasure, Failed, NotEnough, Passed, Reading
from strangler.rollout.states import RolloutState

SAVED_EVERY = 5.0
"""Seconds after which a record is saved although only time has passed."""

_RESULTS = {Passed: "pass", Failed: "fail", NotEnough: "not enough", CannotMeasure: "cannot measure"}


class Decided(NamedTuple):
    """What a turn leads to: the change, and whether it is worth saving at once."""

    change: Change
    audit: tuple[AuditEntry, ...]
    is_news: bool


def decide(
    plan: RolloutPlan, stored: StoredRecord | None, record: Record, evidence: RolloutEvidence, now: float
) -> Decided:
    """One turn of the rollout of `plan`, whose record is `record`; `stored` is what the store has of it."""
    advanced = advance(plan.policy, record, evidence, now)
    after, audit = advanced.record, advanced.audit
    share, shadowed = _wanted(plan, advanced)
    begins_anew = after.attempt > record.attempt and after.revision == record.revision
    change = Change(
        stored=stored,
        record=after,
        share=share,
        shadowed=shadowed,
        shown=shown(plan.policy, after, evidence, now),
        entries=tuple(as_dict(entry) for entry in audit),
        command=_outcome(evidence.commands, audit),
        new_attempt=f"attempt {after.attempt} of the rollout" if begins_anew else "",
    )
    same = replace(after, turned=record.turned, served=record.served) == record
    return Decided(change, audit, stored is None or bool(audit) or not same)


def placement_of(stored: StoredRecord) -> Placement:
    """Where workers serve the migration by its record."""
    record = stored.record
    counts = stored.share > SHADOW and record.effective is not RolloutState.EXTRACTED
    counting = CallerCounting(scope_text(record.scope), dict(record.slow_after)) if counts else None
    return Placement(stored.share, stored.shadowed, counting)


def moved_share(policy: RolloutPolicy, stored: StoredRecord) -> float:
    """The share of callers that every worker has: while promoting, still that of the step before."""
    record = stored.record
    if record.effective is not RolloutState.PROMOTING:
        return stored.share
    return policy.steps[record.step - 1] / 100 if record.step > 0 else SHADOW


def dependency_of(name: str, policy: RolloutPolicy, stored: StoredRecord) -> Dependency:
    """Where a migration stands that others depend on."""
    return Dependency(name, moved_share(policy, stored), stored.record.state is RolloutState.ROLLED_BACK)


def shown(policy: RolloutPolicy, record: Record, evidence: RolloutEvidence, now: float) -> dict[str, Any]:
    """What people are shown of the gates: each reading, and what the next promotion waits for."""
    # After a promotion there is no evidence of the new step yet.
    readings: Sequence[Reading] = ()
    if evidence.stage is None and record.revision == evidence.revision:
        readings = [
            one for one in read_gates(policy, record, evidence, now) if not _is_of_another_step(record, evidence)
        ]
    missing, seconds = _missing(record, evidence, readings)
    return {"gates": [_gate(one) for one in readings], "missing": missing, "seconds": seconds}


def _is_of_another_step(record: Record, evidence: RolloutEvidence) -> bool:
    scope = getattr(evidence.errors, "scope", record.scope)
    return bool(scope != record.scope)


def _gate(reading: Reading) -> dict[str, Any]:
    result = reading.result
    return {
        "gate": reading.gate,
        "result": _RESULTS[type(result)],
        "text": str(reading),
        "seconds": result.seconds if isinstance(result, NotEnough) else None,
        "numbers": {name: value if math.isfinite(value) else str(value) for name, value in reading.numbers.items()},
    }


def _missing(record: Record, evidence: RolloutEvidence, readings: Iterable[Reading]) -> tuple[str, float | None]:
    """What the next promotion waits for, and for how many seconds where that is known."""
    if evidence.stage is not None:
        return f"the stage in the configuration is {evidence.stage}: a person decides", None
    match record.state:
        case RolloutState.ROLLED_BACK:
            return f"{record.reason}; a person has to resume it", None
        case RolloutState.EXTRACTED:
            return "nothing: all callers are on the extracted side", None
        case RolloutState.HOLDING:
            return record.reason, None
        case RolloutState.SHADOWING:
            return "pairs of responses and a self-test of the comparison", None
        case RolloutState.PROMOTING:
            return "all workers", None
    waits = [one for one in readings if not isinstance(one.result, Passed)]
    seconds = [one.result.seconds for one in waits if isinstance(one.result, NotEnough)]
    known = [each for each in seconds if each is not None]
    text = "; ".join(map(str, waits)) or ("time" if record.state is RolloutState.WATCHING else "the next turn")
    return text, max(known) if known and len(known) == len(waits) else None


def _wanted(plan: RolloutPlan, advanced: Advanced) -> tuple[float, bool]:
    if advanced.wanted is None:
        return SHADOW, False
    found = wanted(plan.policy, advanced.record)
    return found.share, found.shadowed


def _outcome(commands: Sequence[Command], audit: Sequence[AuditEntry]) -> tuple[int, str] | None:
    """What became of the order of this turn: its number, and why it was refused, "" where it was carried out."""
    if not commands:
        return None
    (command,) = commands
    refused = [entry for entry in audit if entry.what == "refused"]
    return command.number, refused[0].reason.removeprefix(f"{command.kind}: ") if refused else ""
