"""Does the extracted side fail more callers than the control? Two tests that may be looked at all the time.

The rate at which callers fail is unknown and drifts over the day, so only the
callers who *fail* are looked at, each once, in the order in which they fail: on
which side was this one? Let ρ be the share of callers on the extracted side,
known before the caller fails, and r how many times as often callers fail there.
Then the next failing caller is on the extracted side with probability

    θ(r) = ρr / (ρr + 1 − ρ)

whatever the base rate is: the side is a multinomial count, which Lindon and
Malek (2022, arXiv 2011.03567) test at any time. With x = 1 for the extracted
side, two likelihood ratios (Wald 1945) are formed:

    E_worse    = Σ_j ¼ ∏ Bern(x; θ(r_j)) / Bern(x; θ(1)),  r_j in {2, 3, 5, 8}
    E_harmless = ∏ Bern(x; θ(1)) / Bern(x; θ(harmful ratio))

E_worse is a test martingale if r = 1 and a supermartingale if r < 1: for each
r_j the expected factor is 1 at r = 1 and falls with r. E_harmless is one if r is
the harmful ratio, and a supermartingale above it. By Ville's inequality (1939)
the probability that such a process *ever* reaches 1/a is at most a. So both may
be looked at after every caller, or seldom, and ρ may change between callers.

Everything is in natural logarithms: a product over ten thousand callers is no
float. Both tests depend on counts alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

RATIOS = (2.0, 3.0, 5.0, 8.0)
"""How many times as often callers may fail, for E_worse; equally weighted."""


class SideCounts(NamedTuple):
    """Callers who failed while `share` of the callers, above 0 and below 1, were on the extracted side."""

    extracted: int
    control: int
    share: float


def extracted_probability(ratio: float, share: float) -> float:
    """θ: the probability that the next failing caller is on the extracted side."""
    weighted = ratio * share
    return weighted / (weighted + 1 - share)


def log_e_worse(counts: Iterable[SideCounts]) -> float:
    """ln E_worse: evidence against "not worse than the control". Raises ValueError for numbers that can't be."""
    counts = tuple(counts)
    products = [sum(_log_ratio(part, ratio, 1.0) for part in counts) for ratio in RATIOS]
    return log_mean(products)


def log_e_harmless(counts: Iterable[SideCounts], harmful_ratio: float) -> float:
    """ln E_harmless: evidence against "fails `harmful_ratio` times as many callers, or more".

    Raises ValueError for numbers that can't be.
    """
    if harmful_ratio <= 1:
        raise ValueError(f"a harmful ratio is above 1, not {harmful_ratio}")
    return sum(_log_ratio(part, 1.0, harmful_ratio) for part in counts)


def log_mean(logarithms: Iterable[float]) -> float:
    """The logarithm of the mean of the numbers with these logarithms; -inf stands for 0."""
    values = tuple(logarithms)
    largest = max(values)
    if largest == -math.inf:
        return largest
    return largest + math.log(sum(math.exp(value - largest) for value in values) / len(values))


def _log_ratio(counts: SideCounts, numerator: float, denominator: float) -> float:
    """The logarithm of the likelihood ratio of two ratios r."""
    extracted, control, share = counts
    if extracted < 0 or control < 0 or not 0 < share < 1:
        raise ValueError(f"{extracted} and {control} failing callers at a share of {share} can't be")
    # θ(a)/θ(b) and (1−θ(a))/(1−θ(b)) have the same normalising factor.
    normal = math.log1p(share * (denominator - 1)) - math.log1p(share * (numerator - 1))
    return extracted * (math.log(numerator / denominator) + normal) + control * normal
