"""The audit of a rollout: one entry for each transition, each order of a person, and each time it gets stuck."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from strangler.rollout.results import CannotMeasure, Failed, NotEnough, Passed, Reading
from strangler.rollout.states import RolloutState

CONTROLLER = "controller"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """What happened, when, by whom and why; where the rollout stood before and after; what the gates showed.

    `what` is an event of the state machine or a word for what is none: "approved",
    "refused", "stuck". Shares are 0 to 1. `forced` marks a promotion past gates
    that did not pass, `dry_run` a decision that was not carried out.
    """

    at: float
    migration: str
    what: str
    who: str
    reason: str
    from_state: RolloutState
    to_state: RolloutState
    from_share: float
    to_share: float
    revision: str
    configuration: str
    readings: tuple[Reading, ...]
    forced: bool = False
    dry_run: bool = False


def as_dict(entry: AuditEntry) -> dict[str, Any]:
    """The entry with nothing but what JSON can hold."""
    return asdict(entry) | {
        "from_state": str(entry.from_state),
        "to_state": str(entry.to_state),
        "readings": [_reading_as_dict(reading) for reading in entry.readings],
    }


def _reading_as_dict(reading: Reading) -> dict[str, Any]:
    names = {Passed: "pass", Failed: "fail", NotEnough: "not enough", CannotMeasure: "cannot measure"}
    numbers = {name: value if math.isfinite(value) else str(value) for name, value in reading.numbers.items()}
    return {"gate": reading.gate, "result": names[type(reading.result)], **asdict(reading.result), "numbers": numbers}
