"""How much of `alpha` a test may spend, and what it has to reach for that.

Promotion needs all gates: a bad release has to deceive each, so that every gate
may err with `beta`. One gate rolls back: the probabilities add up (Boole's
inequality), so `alpha` is divided by the number of gates.

A gate's rollback test begins anew with each step, and again whenever long good
evidence would make it slow to notice a release that turns bad. The n-th test of a
rollout may spend 1/(n(n+1)) of the gate's alpha: ½, ⅙, ¹⁄₁₂ and so on, which add
up to 1 however many there are.
"""

from __future__ import annotations

import math

RENEWED_AT = math.log(1 / 100)
"""At this ln E a rollback test has shown "not worse so far", and the next test begins."""


def log_needed_to_roll_back(alpha: float, gates: int, test: int) -> float:
    """What ln E has to reach in a gate's n-th rollback test, n = `test` from 1. Raises ValueError."""
    if gates < 1 or test < 1:
        raise ValueError(f"test {test} of {gates} gates can't be")
    return math.log(gates) + math.log(test) + math.log(test + 1) - math.log(alpha)


def log_needed_to_promote(beta: float) -> float:
    """What ln E has to reach in each gate's promotion test."""
    return -math.log(beta)
