"""Is a share of callers or pairs above a number that is known beforehand, or below it?

Used where there is no control to compare with: for the floor under which
failures do no harm, for pairs that mismatch, and once all callers are on the
extracted side. The likelihood ratios are those of Bernoulli trials (Wald 1945):

    E_above = mean over m in {2, 3, 5, 8} of ∏ Bern(x; m·rate) / Bern(x; rate)
    E_below = ∏ Bern(x; rate/10) / Bern(x; rate)

E_above is a supermartingale while the true share is at most `rate`, E_below while
it is at least `rate`; by Ville's inequality either reaches 1/a with probability a
at most, however often it is looked at.
"""

from __future__ import annotations

import math

from strangler.rollout.statistics.failing_callers import RATIOS, log_mean

BELOW = 0.1
"""The alternative of E_below as a share of the rate; that of the equivalence sequence of shadow evidence."""


def log_e_above(failed: int, seen: int, rate: float) -> float:
    """ln E_above: evidence against "at most `rate` of them fail". Raises ValueError for numbers that can't be."""
    _check(failed, seen, rate)
    # An alternative is a probability below 1; of those, the largest that a high rate leaves.
    alternatives = [min(ratio * rate, (1 + rate) / 2) for ratio in RATIOS]
    return log_mean(_log_ratio(failed, seen, alternative, rate) for alternative in alternatives)


def log_e_below(failed: int, seen: int, rate: float) -> float:
    """ln E_below: evidence against "at least `rate` of them fail". Raises ValueError for numbers that can't be."""
    _check(failed, seen, rate)
    return _log_ratio(failed, seen, rate * BELOW, rate)


def trials_to_show_below(failed: int, rate: float, log_needed: float) -> int:
    """How many trials, `failed` of them failures, bring ln E_below to `log_needed`."""
    _check(failed, failed, rate)
    gain = math.log1p(-rate * BELOW) - math.log1p(-rate)
    return failed + max(0, math.ceil((log_needed - failed * math.log(BELOW)) / gain))


def _log_ratio(failed: int, seen: int, alternative: float, rate: float) -> float:
    return failed * math.log(alternative / rate) + (seen - failed) * (math.log1p(-alternative) - math.log1p(-rate))


def _check(failed: int, seen: int, rate: float) -> None:
    if not 0 <= failed <= seen:
        raise ValueError(f"{failed} failures among {seen} can't be")
    if not 0 < rate < 1:
        raise ValueError(f"a rate is above 0 and below 1, not {rate}")
