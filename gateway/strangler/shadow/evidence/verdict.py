"""What a number of compared pairs proves: a bound of the mismatch rate, and how many pairs are missing.

A share of mismatches that was seen says little: none in ten is no proof. What
counts is the largest rate that could still have given so few, at a confidence:
the upper end of the one-sided Clopper–Pearson interval (Clopper and Pearson,
1934), which is exact: at whatever true rate, the bound is too low in at most
5 % of all samples. Without a mismatch it is 1 − 0.05^(1/n), near 3/n: 299 pairs
show less than 1 %, 2,995 less than 0.1 %, 29,956 less than 0.01 %.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

CONFIDENCE = 0.95
"""How often a bound holds, at the least."""

_STEPS = 100


@dataclass(frozen=True, slots=True)
class EvidenceVerdict:
    """What `compared` pairs with `mismatched` among them show about the mismatch rate.

    Rates are shares, 0 to 1. `missing` is how many more pairs show a rate below
    the target if no further one mismatches; None where too many do for that to
    be ever shown by this many more (a billion).
    """

    compared: int
    mismatched: int
    bound: float
    target: float
    missing: int | None

    @property
    def proven(self) -> bool:
        """Whether the mismatch rate is below the target."""
        return self.missing == 0

    def seconds_to_go(self, per_second: float) -> float | None:
        """How long the missing pairs take at a rate of pairs; None where they never come."""
        if self.missing is None or (self.missing and per_second <= 0):
            return None
        return self.missing / per_second if self.missing else 0.0


def verdict(compared: int, mismatched: int, target: float, confidence: float = CONFIDENCE) -> EvidenceVerdict:
    """What these numbers show, measured against a target rate.

    Raises ValueError for numbers that can't be.
    """
    return EvidenceVerdict(
        compared=compared,
        mismatched=mismatched,
        bound=upper_bound(compared, mismatched, confidence),
        target=target,
        missing=pairs_missing(compared, mismatched, target, confidence),
    )


def upper_bound(compared: int, mismatched: int, confidence: float = CONFIDENCE) -> float:
    """The largest mismatch rate that is not ruled out: exact, one-sided, 1.0 where nothing was compared.

    Raises ValueError for numbers that can't be.
    """
    _check(compared, mismatched, confidence)
    if mismatched == compared:
        return 1.0
    if mismatched == 0:
        return -math.expm1(math.log1p(-confidence) / compared)
    low, high = mismatched / compared, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if at_most(mismatched, compared, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
        if high - low <= high * 1e-12:
            break
    return high


def pairs_missing(compared: int, mismatched: int, target: float, confidence: float = CONFIDENCE) -> int | None:
    """How many more pairs without a mismatch bring the bound below `target`; None where a billion don't.

    Raises ValueError for numbers that can't be.
    """
    _check(compared, mismatched, confidence)
    if not 0 < target <= 1:
        raise ValueError(f"a target rate is above 0 and at most 1, not {target}")
    if upper_bound(compared, mismatched, confidence) < target:
        return 0
    few, enough = compared, max(compared, 1)
    while upper_bound(enough, mismatched, confidence) >= target:
        few, enough = enough, enough * 2
        if enough > 1_000_000_000:
            return None
    while enough - few > 1:
        middle = (few + enough) // 2
        if upper_bound(middle, mismatched, confidence) < target:
            enough = middle
        else:
            few = middle
    return enough - compared


def at_most(most: int, trials: int, rate: float) -> float:
    """The probability of at most `most` successes in `trials` independent trials, each with probability `rate`.

    The lower tail of the binomial distribution, summed from the largest term
    down, so that it is exact to about ten digits for any number of trials.
    """
    if most >= trials or rate <= 0:
        return 1.0
    if rate >= 1:
        return 0.0
    top = min(most, int((trials + 1) * rate))
    largest = (
        math.lgamma(trials + 1)
        - math.lgamma(top + 1)
        - math.lgamma(trials - top + 1)
        + top * math.log(rate)
        + (trials - top) * math.log1p(-rate)
    )
    odds = rate / (1 - rate)
    total = term = 1.0
    for successes in range(top, 0, -1):
        term *= successes / ((trials - successes + 1) * odds)
        total += term
        if term < total * 1e-17:
            break
    term = 1.0
    for successes in range(top + 1, most + 1):
        term *= (trials - successes + 1) * odds / successes
        total += term
        if term < total * 1e-17:
            break
    return min(1.0, math.exp(largest) * total)


def _check(compared: int, mismatched: int, confidence: float) -> None:
    if not 0 <= mismatched <= compared:
        raise ValueError(f"{mismatched} of {compared} pairs can't mismatch")
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence is between 0 and 1, not {confidence}")
