"""The statistics that distinguish noise from faults: rates with their intervals, and a likelihood ratio.

The intervals are Wilson's (1927) at 95 %: they stay between 0 and 1, hold for
rates near either end, and have their nominal coverage on average. The exact ones
of Clopper and Pearson are wider, so a judgement would take longer, although the
forms of values limit noise anyway. (The verdict, which is a proof, uses those.)
"""

from __future__ import annotations

from math import log, sqrt

from strangler.comparison.rules import Thresholds

_Z = 1.959963984540054
"""The number of standard deviations that contain 95 % of the normal distribution."""


def exceeds(sides: float, itself: float, thresholds: Thresholds) -> bool:
    """Return whether the two sides differ more often than legacy from itself, by more than both thresholds."""
    apart = sides - itself
    return apart > 0 and apart / (sides + itself) * 100 > thresholds.relative and apart * 100 > thresholds.absolute


def wilson(count: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a rate, observed as `count` of `total` (Wilson's score interval)."""
    if total == 0:
        return 0.0, 1.0
    share, square = count / total, _Z * _Z
    middle = (share + square / (2 * total)) / (1 + square / total)
    half = _Z / (1 + square / total) * sqrt(share * (1 - share) / total + square / (4 * total * total))
    return max(0.0, middle - half), min(1.0, middle + half)


def likelihood(hits: int, misses: int, share: float) -> float:
    """Return the log likelihood ratio of hits and misses for a tenth of `share` against `share` itself.

    For a true share of `share` or more the ratio is a supermartingale.
    """
    few = share / 10
    return hits * log(few / share) + misses * log((1 - few) / (1 - share))
