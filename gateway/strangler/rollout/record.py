"""The durable record of one rollout: the one thing that controller, gates and actuator share.

It is saved after each turn that changed it and read at the start, on this machine
or another: whatever is decided follows from the record, the evidence and the
policy. `to_json` and `from_json` keep every field; a record that can't be read
raises, and a rollout without a record that can be read does not move.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, NamedTuple

from strangler.rollout.evidence import Scope
from strangler.rollout.policy import SHADOW, RolloutPolicy
from strangler.rollout.states import RolloutState

FORMAT = 1


class RecordError(ValueError):
    """A stored record that can't be understood."""


class Held(NamedTuple):
    """What HOLDING holds: the state, when it was entered and how long it had lasted; and the causes."""

    state: RolloutState
    entered: float
    served: float
    reason: str


class Stuck(NamedTuple):
    """Why a rollout makes no progress, and since when."""

    since: float
    reason: str


class Pause(NamedTuple):
    """Who paused a rollout, and why."""

    who: str
    reason: str


class RollbackTest(NamedTuple):
    """The present rollback test of a gate: its number, and the step's counts when it began."""

    number: int = 1
    extracted: int = 0
    control: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Where a rollout stands. Times are seconds since 1970, durations seconds.

    `step` is the index of the step whose share the workers have, or are getting,
    `period` the day of watching.
    `entered` is when the state was entered, `served` how long it has lasted by a
    clock that did not jump, `turned` the time of the last turn. `publication`
    rises whenever workers have to get something else. `command` is the number of
    the last command that was carried out, `approved` the index of the step that a
    person approved, `slow_after` the frozen thresholds, `base_rates` the control's
    rates of failing callers by gate at the last step that had a control.
    `remark` is the scope of the last promotion that a dry run recorded.
    """

    migration: str
    revision: str
    state: RolloutState = RolloutState.WAITING
    attempt: int = 1
    step: int = 0
    period: int = 0
    entered: float = 0.0
    served: float = 0.0
    turned: float | None = None
    publication: int = 0
    held: Held | None = None
    pause: Pause | None = None
    stuck: Stuck | None = None
    reason: str = ""
    command: int = 0
    approved: int | None = None
    slow_after: Mapping[str, float] = field(default_factory=dict)
    base_rates: Mapping[str, float] = field(default_factory=dict)
    tests: Mapping[str, RollbackTest] = field(default_factory=dict)
    remark: str = ""

    @property
    def scope(self) -> Scope:
        """What evidence has to be about to count."""
        return Scope(self.revision, self.attempt, self.step, self.period)

    @property
    def effective(self) -> RolloutState:
        """The state, or the one that is held."""
        return self.held.state if self.held is not None else self.state

    @property
    def effective_since(self) -> float:
        """When the state, or the one that is held, was entered."""
        return self.held.entered if self.held is not None else self.entered

    def rollback_test(self, gate: str) -> RollbackTest:
        """The present rollback test of a gate."""
        return self.tests.get(gate, RollbackTest())


class Wanted(NamedTuple):
    """What the workers should do: the share of callers on the extracted side, 0 to 1, and what they report.

    `shadowed` asks for copies: of what the legacy side serves, and of what the
    extracted side serves once that is all. Slow callers are counted by
    `slow_after`. A worker acknowledges the `publication`.
    """

    publication: int
    share: float
    shadowed: bool
    slow_after: Mapping[str, float]


def wanted(policy: RolloutPolicy, record: Record) -> Wanted:
    """What the workers should do while the record is this one."""
    state = record.effective
    moved = state in (RolloutState.CANARY, RolloutState.PROMOTING, RolloutState.WATCHING, RolloutState.EXTRACTED)
    share = policy.steps[min(record.step, len(policy.steps) - 1)] / 100 if moved else SHADOW
    ends_shadow = state in (RolloutState.WAITING, RolloutState.EXTRACTED, RolloutState.ROLLED_BACK)
    return Wanted(record.publication, share, policy.is_shadowed_first and not ends_shadow, record.slow_after)


def to_json(record: Record) -> str:
    """The record as a JSON document."""
    values = {each.name: getattr(record, each.name) for each in fields(record)}
    return json.dumps({"format": FORMAT, **{name: _plain(value) for name, value in values.items()}}, allow_nan=False)


def from_json(text: str) -> Record:
    """The record that `to_json` wrote. Raises RecordError."""
    try:
        values: dict[str, Any] = json.loads(text)
        if values.pop("format") != FORMAT:
            raise RecordError("the record was written by another version")
        record = Record(**values)
        _check(record)
        held, pause, stuck = record.held, record.pause, record.stuck
        return replace(
            record,
            state=RolloutState(record.state),
            held=Held(*held)._replace(state=RolloutState(held[0])) if held else None,
            pause=Pause(*pause) if pause else None,
            stuck=Stuck(*stuck) if stuck else None,
            tests={gate: RollbackTest(*start) for gate, start in record.tests.items()},
        )
    except RecordError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise RecordError(f"the record can't be read: {error}") from error


def _check(record: Record) -> None:
    texts = record.migration, record.revision, record.reason, record.remark
    counts = record.step, record.period, record.attempt, record.publication, record.command
    times = record.entered, record.served, 0.0 if record.turned is None else record.turned
    if not (
        all(isinstance(text, str) for text in texts)
        and all(type(count) is int and count >= 0 for count in counts)
        and all(isinstance(time, int | float) and math.isfinite(time) for time in times)
        and (record.approved is None or type(record.approved) is int)
        and (record.held is not None) == (record.state == RolloutState.HOLDING)
    ):
        raise RecordError("the record holds values that can't be")


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value
