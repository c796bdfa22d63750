"""What the YAML allows a rollout to do: steps, error probabilities, gates, windows and deadlines.

Compiled from `rollout:` of a migration; the defaults are those of `rollout: {}`.
Units: percentages are 0 to 100, rates are 0 to 1, durations are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

SHADOW = 0.0
"""The step in which requests are copied and no caller is moved, as a percentage."""
EXTRACTED = 100.0
DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class EquivalenceRule:
    """The mismatch rate that has to be ruled out, for each operation of these risk classes."""

    target: float = 0.001
    classes: frozenset[str] = frozenset({"high", "medium"})


@dataclass(frozen=True, slots=True)
class Window:
    """When a rollout may move forward: from `start` to `end`, seconds of the local day, on `days` (0 is Monday).

    A window whose end is not after its start goes on into the next day.
    """

    days: frozenset[int]
    start: float
    end: float
    zone: ZoneInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """How long a state may last before the rollout counts as stuck."""

    shadowing: float = 3600.0
    proving: float = 7 * DAY
    canary: float = 3 * DAY
    promoting: float = 60.0
    watching: float = 14 * DAY
    holding: float = DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutPolicy:
    """How one migration may move.

    `steps` are the percentages of callers in their order; a first step of 0 is
    shadowing, the last one is 100. `alpha` is the probability that a good
    release is rolled back, `beta` that a bad one is promoted at a step. Bad is a
    release that fails `harmful_ratio` times as many callers as the control or
    more, and at least the share `floor` of its callers; None leaves the floor
    out. The floor lets a step pass in which nearly no caller fails on either
    side; it never keeps a release that is shown to be worse from a rollback.
    `metrics` are the limits that numbers have to stay below, by the name of the gate.
    """

    steps: tuple[float, ...] = (SHADOW, 1.0, 5.0, 25.0, 50.0, EXTRACTED)
    alpha: float = 0.01
    beta: float = 0.001
    harmful_ratio: float = 5.0
    floor: float | None = 0.001
    equivalence: EquivalenceRule | None = EquivalenceRule()
    errors: bool = True
    latency: bool = True
    metrics: Mapping[str, float] = field(default_factory=dict)
    approve_before: frozenset[float] = frozenset()
    windows: tuple[Window, ...] = ()
    depends_on: tuple[str, ...] = ()
    watch: float = 7 * DAY
    deadlines: Deadlines = Deadlines()
    dry_run: bool = False

    def __post_init__(self) -> None:
        ascending = all(low < high for low, high in zip(self.steps, self.steps[1:], strict=False))
        if not self.steps or not ascending or self.steps[0] < SHADOW or self.steps[-1] != EXTRACTED:
            raise ValueError(f"steps rise from 0 or more to 100, not {self.steps}")
        if not (0 < self.alpha < 1 and 0 < self.beta < 1):
            raise ValueError(f"alpha {self.alpha} and beta {self.beta} have to be above 0 and below 1")
        if self.harmful_ratio <= 1:
            raise ValueError(f"a harmful ratio is above 1, not {self.harmful_ratio}")
        if self.floor is not None and not 0 < self.floor < 1:
            raise ValueError(f"a floor is above 0 and below 1, not {self.floor}")
        if not (self.errors or self.latency or self.metrics):
            raise ValueError("a rollout needs a gate that sees callers: errors, latency or a metric")

    @property
    def is_shadowed_first(self) -> bool:
        """Whether the first step is shadowing."""
        return self.steps[0] == SHADOW

    @property
    def tested_gates(self) -> int:
        """How many gates can roll back by a test, each with its part of `alpha`."""
        return max(1, (self.equivalence is not None) + self.errors + self.latency)
