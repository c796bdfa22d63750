"""The input of each turn of the controller: all measurements, and the commands of people.

The shell reads it from the store, from Prometheus and from the configuration.
What could not be read is `Unavailable`, with the reason: never an empty count.
Each part has its `Scope` and the time at which it was read, so that the gates
recognise a part that is stale, or of another revision or step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class Scope(NamedTuple):
    """What evidence is about: a revision of the migration, the attempt at it (from 1), the step's index, a period.

    A revision is a digest of the migration's YAML and the versions that the
    service reports. A person who resumes after a rollback begins an attempt. The
    period is the day of watching, and 0 in all other states.
    """

    revision: str
    attempt: int = 1
    step: int = 0
    period: int = 0


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Something could not be measured, and why: "Prometheus returned an empty vector"."""

    why: str


@dataclass(frozen=True, slots=True)
class ComparedPairs:
    """What shadowing shows of one operation: the result of the equivalence sequence of shadow evidence.

    `missing` is how many more matching pairs prove the target; 0 is proven, None
    is never. `per_second` is the present rate of pairs.
    """

    operation: str
    risk: str
    compared: int
    mismatched: int
    missing: int | None
    per_second: float


@dataclass(frozen=True, slots=True)
class Equivalence:
    """What shadowing shows in one epoch. `tested_at` and `failure` are those of the last self-test; "" is passed.

    `target` is the mismatch rate that `missing` counts towards.
    """

    scope: Scope
    at: float
    target: float
    operations: tuple[ComparedPairs, ...]
    tested_at: float | None
    failure: str = ""


class CallersSeen(NamedTuple):
    """How many callers came on each side; a count may lag behind, but is never too high."""

    extracted: int
    control: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerCounts:
    """How many callers failed (or were slow) in the scope's step and period on each side, each counted once.

    Only callers whose side the hash drew: no `always`, no `never`, no override.
    `share` of the callers is on the extracted side, 0 to 1. `seen` is None where
    it is not known. `slow_after` are the thresholds that slow callers were
    counted against, by operation, in seconds; empty for failures. The present
    rates: `failing_per_second` of further callers who fail on either side,
    `seen_per_second` of further callers on the extracted side.
    """

    scope: Scope
    at: float
    extracted: int
    control: int
    share: float
    seen: CallersSeen | None = None
    slow_after: Mapping[str, float] = field(default_factory=dict)
    failing_per_second: float = 0.0
    seen_per_second: float = 0.0


@dataclass(frozen=True, slots=True)
class MetricValue:
    """A number, and when it was measured."""

    at: float
    value: float


@dataclass(frozen=True, slots=True)
class Dependency:
    """Where a migration that this one depends on stands. `share` is what every worker has, 0 to 1."""

    name: str
    share: float
    rolled_back: bool


@dataclass(frozen=True, slots=True)
class Published:
    """How many of the workers have the snapshot of a publication."""

    publication: int
    workers: int
    acknowledged: int


class CommandKind(StrEnum):
    """What a person may order."""

    APPROVE = "approve"
    PAUSE = "pause"
    RESUME = "resume"
    ROLLBACK = "rollback"
    PROMOTE = "promote"


@dataclass(frozen=True, slots=True)
class Command:
    """An order of a person. `number` rises with each command of a migration, so that each is carried out once.

    `approve` and `promote` are about what the person saw: the `scope`. `force`
    promotes past gates that do not pass.
    """

    number: int
    kind: CommandKind
    who: str
    reason: str
    scope: Scope | None = None
    force: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutEvidence:
    """Everything that one turn of the controller decides from.

    `revision` is the present one. `configuration` is the version of the
    configuration, for the audit. `stage` is the stage in the YAML where that is
    not `rollout`. `freeze` is the reason of a global freeze. `slow_after` is the
    control's p99 of each operation over the last window that held enough
    requests.
    """

    revision: str
    configuration: str = ""
    stage: str | None = None
    freeze: str | None = None
    equivalence: Equivalence | Unavailable = Unavailable("no shadow evidence")
    errors: CallerCounts | Unavailable = Unavailable("failing callers are not counted")
    latency: CallerCounts | Unavailable = Unavailable("slow callers are not counted")
    slow_after: Mapping[str, float] | Unavailable = Unavailable("no window of the control held enough requests")
    metrics: Mapping[str, MetricValue | Unavailable] = field(default_factory=dict)
    dependencies: tuple[Dependency, ...] = ()
    published: Published | None = None
    commands: tuple[Command, ...] = ()
