"""How many callers a step needs, and how long that takes, before it starts and while it runs.

The tests of `failing_callers` end after a number of *failing* callers, which
`stopping` gives exactly. The number of callers until then follows from the rate
at which callers fail: each of them is a trial that fails with that rate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from strangler.rollout.statistics.failing_callers import (
    SideCounts,
    extracted_probability,
    log_e_harmless,
    log_e_worse,
)
from strangler.rollout.statistics.known_rate import log_e_below, trials_to_show_below
from strangler.rollout.statistics.stopping import Stopping, stopping

NEARLY_ALL = 0.999


@dataclass(frozen=True, slots=True)
class CallersNeeded:
    """How many callers of both sides a step takes: in the mean, and in 99.9 % of cases."""

    mean: float
    nearly_all: float

    def seconds(self, callers_per_second: float) -> tuple[float, float] | None:
        """How long that takes at this rate, in the mean and in 99.9 % of cases; None without callers."""
        if callers_per_second <= 0:
            return None
        return self.mean / callers_per_second, self.nearly_all / callers_per_second


@dataclass(frozen=True, slots=True)
class StepTest:
    """The two tests of one gate in one step: what decides how long the step takes.

    `share` of the callers, above 0 and below 1, is on the extracted side. The
    other two are what ln E_worse and ln E_harmless have to reach.
    """

    share: float
    harmful_ratio: float
    log_to_roll_back: float
    log_to_promote: float

    def promotes(self, extracted: int, failing: int) -> bool:
        """Whether `failing` callers, of which `extracted` on the extracted side, promote."""
        counts = SideCounts(extracted, failing - extracted, self.share)
        return log_e_harmless((counts,), self.harmful_ratio) >= self.log_to_promote

    def rolls_back(self, extracted: int, failing: int) -> bool:
        """Whether `failing` callers, of which `extracted` on the extracted side, roll back."""
        counts = SideCounts(extracted, failing - extracted, self.share)
        return log_e_worse((counts,)) >= self.log_to_roll_back


@lru_cache(maxsize=256)
def failing_callers_needed(test: StepTest, ratio: float) -> Stopping:
    """When `test` ends, in failing callers, if the extracted side fails `ratio` times as many callers."""
    return stopping(extracted_probability(ratio, test.share), test.promotes, test.rolls_back)


def callers_needed(test: StepTest, base_rate: float, ratio: float = 1.0) -> CallersNeeded:
    """How many callers the step takes, if `base_rate` of the control's callers fail.

    `ratio` is how many times as many fail on the extracted side. Raises
    ValueError for a rate that is none.
    """
    rate = base_rate * (test.share * ratio + 1 - test.share)
    if not 0 < rate < 1:
        raise ValueError(f"a rate of failing callers is above 0 and below 1, not {rate}")
    ends = failing_callers_needed(test, ratio)
    return CallersNeeded(ends.mean / rate, _callers_by(ends, rate, NEARLY_ALL))


def callers_to_show_below(floor: float, base_rate: float, log_to_promote: float) -> CallersNeeded:
    """How many callers of one side show that fewer than `floor` fail, if `base_rate` do; infinite where none do.

    The mean is Wald's identity without the overshoot. The other number is that of
    one look with the same bound, which takes a little longer than looking always.
    """
    gain = (1 - base_rate) * log_e_below(0, 1, floor) + base_rate * log_e_below(1, 1, floor)
    if gain <= 0:
        return CallersNeeded(math.inf, math.inf)
    low, high = 0, 1
    while _shown_below(high, floor, base_rate, log_to_promote) < NEARLY_ALL:
        low, high = high, 2 * high
    while high - low > max(1, high // 10_000):
        middle = (low + high) // 2
        is_shown = _shown_below(middle, floor, base_rate, log_to_promote) >= NEARLY_ALL
        low, high = (low, middle) if is_shown else (middle, high)
    return CallersNeeded(log_to_promote / gain, float(high))


def failing_callers_to_go(counts: SideCounts, harmful_ratio: float, log_to_promote: float) -> float:
    """How many more failing callers promote in the mean, if the extracted side is as good as the control.

    Wald's identity without the overshoot: what is missing, by the mean gain of
    a failing caller.
    """
    expected = SideCounts(0, 1, counts.share), SideCounts(1, 0, counts.share)
    control, extracted = (log_e_harmless((one,), harmful_ratio) for one in expected)
    gain = (1 - counts.share) * control + counts.share * extracted
    return max(0.0, log_to_promote - log_e_harmless((counts,), harmful_ratio)) / gain


def _shown_below(callers: int, floor: float, rate: float, log_to_promote: float) -> float:
    """The probability that this number of callers shows it, in one look at them."""
    total, failing = 0.0, 0
    while failing <= callers and trials_to_show_below(failing, floor, log_to_promote) <= callers:
        total += _binomial(callers, failing, rate)
        failing += 1
    return total


def _callers_by(ends: Stopping, rate: float, probability: float) -> float:
    """The number of callers by which the test has ended with this probability."""
    low, high = 0, 1
    while _ended_within(high, ends.ending, rate) < probability:
        low, high = high, 2 * high
    while high - low > max(1, high // 10_000):
        middle = (low + high) // 2
        if _ended_within(middle, ends.ending, rate) < probability:
            low = middle
        else:
            high = middle
    return float(high)


def _ended_within(callers: int, ending: tuple[float, ...], rate: float) -> float:
    """The probability that the test has ended once `callers` have come, each of whom fails with `rate`.

    That is the sum over m of P(test needs m failing callers) · P(Bin(callers, rate) ≥ m).
    """
    fewer = total = 0.0
    for needed, probability in enumerate(ending, 1):
        fewer += _binomial(callers, needed - 1, rate)
        total += probability * max(0.0, 1 - fewer)
    return total


def _binomial(trials: int, failures: int, rate: float) -> float:
    """The probability of exactly this number of failures."""
    if failures > trials or rate <= 0:
        return float(failures == 0)
    combinations = math.lgamma(trials + 1) - math.lgamma(failures + 1) - math.lgamma(trials - failures + 1)
    return math.exp(combinations + failures * math.log(rate) + (trials - failures) * math.log1p(-rate))
