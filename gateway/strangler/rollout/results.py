"""The four results of a gate, and a gate's reading: the result with the numbers it came from.

Promotion needs every gate to pass. One failure rolls back. The other two hold
the step, and name what a person has to know: what is missing, or what is broken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Passed:
    """The gate lets the rollout go on, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The gate shows that the release is bad, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class NotEnough:
    """The evidence is sound, but too little: what is missing, and for how many seconds at the present rate.

    `seconds` is None where it never comes at that rate, or the rate is not known.
    """

    missing: str
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class CannotMeasure:
    """There is no evidence that counts, and why."""

    why: str


Result = Passed | Failed | NotEnough | CannotMeasure


@dataclass(frozen=True, slots=True)
class Reading:
    """What one gate shows in one turn: the result, with its counts and the natural logarithms of its e-values."""

    gate: str
    result: Result
    numbers: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        match self.result:
            case Passed(why):
                return f"{self.gate} passes: {why}"
            case Failed(why):
                return f"{self.gate} fails: {why}"
            case NotEnough(missing, seconds):
                return f"{self.gate} needs {missing}" + ("" if seconds is None else f", about {duration(seconds)}")
            case CannotMeasure(why):
                return f"{self.gate} can't be measured: {why}"


def duration(seconds: float) -> str:
    """A duration for people, rounded up to the unit: "40 s", "12 min", "5 h", "3 days"."""
    for unit, length in (("s", 1.0), ("min", 60.0), ("h", 3600.0)):
        number = -int(-seconds // length)
        if number < {"s": 100, "min": 100, "h": 48}[unit]:
            return f"{number} {unit}"
    return f"{-int(-seconds // 86_400)} days"
