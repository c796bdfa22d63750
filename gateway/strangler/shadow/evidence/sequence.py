"""What compared pairs prove while they come in: a test that may be looked at after every pair.

Null hypothesis: at least the share `target` of the responses is wrong.
Alternative: a tenth of it. The likelihood ratio of the two,

    E = ((1 - target/10) / (1 - target)) ** right * (1/10) ** wrong

is a test martingale under the null, so that the probability that it *ever*
reaches 1/0.05 is at most 5 % (Ville's inequality): a report may be read as often
as one likes. Without a wrong pair this takes 332 pairs for 1 % and 3,327 for
0.1 %; each wrong pair costs about 255 and 2,558 more.

The bound is the largest target that the pairs don't reject. An interval for one
planned look, which `strangler compare` has, is in `verdict`.
"""

from __future__ import annotations

import math

from strangler.shadow.evidence.verdict import CONFIDENCE, EvidenceVerdict

ALTERNATIVE = 0.1
"""The alternative's rate as a share of the target."""

_REACH = math.log(1 / (1 - CONFIDENCE))
_COST = -math.log(ALTERNATIVE)
_MOST = 1_000_000_000
_STEPS = 200


def sequential_verdict(compared: int, wrong: int, target: float) -> EvidenceVerdict:
    """What `compared` pairs show, `wrong` of which count against the candidate; `target` is a share, 0 to 1.

    Raises ValueError for numbers that can't be.
    """
    missing = sequential_missing(compared, wrong, target)
    return EvidenceVerdict(compared, wrong, sequential_bound(compared, wrong), target, missing)


def evidence(compared: int, wrong: int, target: float) -> float:
    """The natural logarithm of E."""
    return (compared - wrong) * _gain(target) - wrong * _COST


def sequential_bound(compared: int, wrong: int) -> float:
    """The largest share of wrong responses that is not rejected; 1.0 where none is.

    Raises ValueError for numbers that can't be.
    """
    _check(compared, wrong)
    if compared == wrong:
        return 1.0
    # E grows with the target, without a bound as that goes to 1.
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if not low < middle < high:
            break
        if evidence(compared, wrong, middle) < _REACH:
            low = middle
        else:
            high = middle
    return high


def sequential_missing(compared: int, wrong: int, target: float) -> int | None:
    """How many more right pairs prove fewer than `target`; None where a billion don't.

    Raises ValueError for numbers that can't be.
    """
    _check(compared, wrong)
    if not 0 < target < 1:
        raise ValueError(f"a target rate is above 0 and below 1, not {target}")
    needed = math.ceil((_REACH + wrong * _COST) / _gain(target))
    missing = max(0, needed - (compared - wrong))
    return missing if missing <= _MOST else None


def _gain(target: float) -> float:
    """What a right pair adds to the logarithm of E."""
    return math.log1p(-ALTERNATIVE * target) - math.log1p(-target)


def _check(compared: int, wrong: int) -> None:
    if not 0 <= wrong <= compared:
        raise ValueError(f"{wrong} of {compared} pairs can't be wrong")
