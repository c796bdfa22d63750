"""A population of callers: how active they are, when they come, and how many of them fail.

Time is counted twice. Traffic time is the time that traffic would need without
the daily wave; everything about callers depends on it alone. Wall time follows
from it, the phase of the day, and the wave.

Callers differ a lot: their rates of requests are log-normal. On the legacy side,
`always_failing` of them fail at their first request, and any request of the
others fails with `request_failure`. On the extracted side of a release with a
ratio r both are r times as large.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

from strangler.rollout.policy import DAY

CLASSES = 100
"""Classes of activity, each with the same number of callers."""
CELLS = 500
FIRST_CELL = 1.0
LONGEST = 90 * DAY
"""Traffic time that is modelled of a step."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Callers and their requests. `wave` is the amplitude of the daily wave, 0 to below 1."""

    callers: int = 1_000_000
    requests_per_day: float = 5.0
    spread: float = 1.5
    wave: float = 0.7
    always_failing: float = 0.01
    request_failure: float = 1e-5

    @property
    def period(self) -> float:
        """Seconds after which the wave repeats; a phase is below it."""
        return DAY

    def seen_by(self, time: float) -> float:
        """The share of all callers who have come by this traffic time."""
        return _came(self, time, 1.0)

    def failed_by(self, time: float, ratio: float) -> float:
        """The share of the callers of a side who have failed by this traffic time."""
        always = min(1.0, ratio * self.always_failing)
        return always * _came(self, time, 1.0) + (1 - always) * _came(self, time, ratio * self.request_failure)

    def wall_time(self, time: float, phase: float) -> float:
        """The wall time that `time` of traffic takes, beginning at `phase` seconds of the period."""
        turn = 2 * math.pi / DAY
        low, high = time / (1 + self.wave), time / (1 - self.wave) + 1
        for _ in range(60):
            middle = (low + high) / 2
            passed = middle + self.wave / turn * (math.cos(turn * phase) - math.cos(turn * (phase + middle)))
            low, high = (middle, high) if passed < time else (low, middle)
            if high - low < 0.01:
                break
        return high

    def traffic_time(self, wall: float, phase: float) -> float:
        """The traffic time that passes in `wall` seconds, beginning at `phase` seconds of the period."""
        turn = 2 * math.pi / DAY
        return wall + self.wave / turn * (math.cos(turn * phase) - math.cos(turn * (phase + wall)))


@dataclass(frozen=True, slots=True)
class StepCells:
    """A step's callers by cells of traffic time, each about 4 % longer than the last.

    By the end of cell i, at `ends[i]`, `failing[i]` callers fail on either side in
    the mean; of those in the cell `extracted[i]` are on the extracted side, where
    `seen[i]` callers have come.
    """

    ends: Sequence[float]
    failing: Sequence[float]
    extracted: Sequence[float]
    seen: Sequence[int]


@lru_cache(maxsize=64)
def step_cells(traffic: Traffic, share: float, ratio: float) -> StepCells:
    """The cells of a step with this share of callers on the extracted side, which fails `ratio` times as many."""
    growth = math.log(LONGEST / FIRST_CELL) / (CELLS - 1)
    ends = [FIRST_CELL * math.exp(growth * cell) for cell in range(CELLS)]
    on_extracted = _by_cell(ends, lambda end: share * traffic.failed_by(end, ratio))
    on_legacy = _by_cell(ends, lambda end: (1 - share) * traffic.failed_by(end, 1.0))
    failing, total = [], 0.0
    for extracted, legacy in zip(on_extracted, on_legacy, strict=True):
        total += traffic.callers * (extracted + legacy)
        failing.append(total)
    probabilities = [
        extracted / (extracted + legacy) if extracted + legacy > 0 else share
        for extracted, legacy in zip(on_extracted, on_legacy, strict=True)
    ]
    seen = [int(share * traffic.callers * traffic.seen_by(end)) for end in ends]
    return StepCells(ends, failing, probabilities, seen)


def _by_cell(ends: Sequence[float], cumulative: Callable[[float], float]) -> list[float]:
    values = [cumulative(end) for end in ends]
    return [value - before for value, before in zip(values, [0.0, *values], strict=False)]


def _came(traffic: Traffic, time: float, part: float) -> float:
    """The share of callers with at least one of the requests that each is, by chance, with probability `part`."""
    return -sum(math.expm1(-rate * part * time) for rate in _rates(traffic)) / CLASSES


@lru_cache(maxsize=64)
def _rates(traffic: Traffic) -> tuple[float, ...]:
    """Requests per second of each class of callers."""
    normal = NormalDist()
    rates = [math.exp(traffic.spread * normal.inv_cdf((index + 0.5) / CLASSES)) for index in range(CLASSES)]
    return tuple(rate * traffic.requests_per_day / DAY * CLASSES / sum(rates) for rate in rates)
