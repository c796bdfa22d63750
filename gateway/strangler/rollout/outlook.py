"""What a rollout will take, before it starts: callers and time for each step, if the release is good.

"At 1 %: about 34,000 callers, 9 days at 4,000 callers a day." A step passes in
one of two ways, by callers who fail on both sides or, where few do, by callers
who do not; the outlook is that of the shorter one. Shadowing takes pairs, not
callers: the equivalence gate reports how many are missing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from strangler.rollout.policy import DAY, EXTRACTED, SHADOW, RolloutPolicy
from strangler.rollout.results import duration
from strangler.rollout.statistics.feasibility import CallersNeeded, StepTest, callers_needed, callers_to_show_below
from strangler.rollout.statistics.spending import log_needed_to_promote, log_needed_to_roll_back


@dataclass(frozen=True, slots=True)
class StepOutlook:
    """How many callers of both sides the step at `percent` takes."""

    percent: float
    needed: CallersNeeded

    def sentence(self, callers_per_day: float) -> str:
        """The outlook for people, with the time it takes at this rate."""
        seconds = self.needed.seconds(callers_per_day / DAY)
        if math.isinf(self.needed.mean):
            return f"at {self.percent:g} %: no number of callers is enough"
        needed = (
            f"at {self.percent:g} %: about {_rounded(self.needed.mean):,} callers"
            f" ({_rounded(self.needed.nearly_all):,} in 99.9 % of cases);"
        )
        if seconds is None:
            return f"{needed} none come"
        mean, nearly_all = seconds
        return f"{needed} with {callers_per_day:,.0f} a day {duration(mean)} ({duration(nearly_all)})"


def outlook(policy: RolloutPolicy, base_rate: float) -> tuple[StepOutlook, ...]:
    """The outlook of each step with a control, if this share of the callers fails on either side."""
    canaries = [percent for percent in policy.steps if SHADOW < percent < EXTRACTED]
    return tuple(
        StepOutlook(percent, _needed(policy, percent / 100, test, base_rate))
        for test, percent in enumerate(canaries, 1)
    )


def step_test(policy: RolloutPolicy, share: float, test: int) -> StepTest:
    """The tests of a gate on callers at this share, `test` being the number of its rollback test, from 1."""
    return StepTest(
        share,
        policy.harmful_ratio,
        log_needed_to_roll_back(policy.alpha, policy.tested_gates, test),
        _to_promote(policy),
    )


def _needed(policy: RolloutPolicy, share: float, test: int, base_rate: float) -> CallersNeeded:
    never = CallersNeeded(math.inf, math.inf)
    by_failing = callers_needed(step_test(policy, share, test), base_rate) if base_rate > 0 else never
    if policy.floor is None:
        return by_failing
    on_extracted = callers_to_show_below(policy.floor, base_rate, _to_promote(policy))
    by_quiet = CallersNeeded(on_extracted.mean / share, on_extracted.nearly_all / share)
    return min(by_failing, by_quiet, key=lambda needed: needed.mean)


def _to_promote(policy: RolloutPolicy) -> float:
    """With a floor there are two promotion tests; each has half of the mean."""
    return log_needed_to_promote(policy.beta) + (0.0 if policy.floor is None else math.log(2))


def _rounded(number: float) -> int:
    """Two digits of a number, rounded up."""
    unit = 10.0 ** max(0, math.floor(math.log10(max(number, 1))) - 1)
    return math.ceil(math.ceil(number / unit) * unit)
