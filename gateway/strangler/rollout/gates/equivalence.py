"""Equivalence: pairs of responses prove, for each operation, a mismatch rate below the target.

The proof itself is the equivalence sequence of shadow evidence, which comes as
data. This gate adds what a verdict needs to count: a self-test of the comparison
that passed lately, and the present revision. It also fails: once pairs show more
mismatches than the target allows (`known_rate.log_e_above`), a longer wait would
prove nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence

from strangler.rollout.evidence import ComparedPairs, Equivalence, Scope, Unavailable
from strangler.rollout.gates.currency import why_not_current, why_not_of
from strangler.rollout.policy import RolloutPolicy
from strangler.rollout.results import CannotMeasure, Failed, NotEnough, Passed, Reading, Result
from strangler.rollout.statistics.known_rate import log_e_above
from strangler.rollout.statistics.spending import log_needed_to_roll_back

GATE = "equivalence"
TESTED_WITHIN = 2 * 3600.0
"""Seconds for which a self-test counts; there is one every hour."""


def equivalence_reading(policy: RolloutPolicy, shown: Equivalence | Unavailable, present: Scope, now: float) -> Reading:
    """What the pairs of the present epoch show about the operations that the policy names."""
    rule = policy.equivalence
    assert rule is not None
    if isinstance(shown, Unavailable):
        return Reading(GATE, CannotMeasure(shown.why))
    broken = _why_not_counted(shown, present, rule.target, now)
    if broken is not None:
        return Reading(GATE, CannotMeasure(broken))
    operations = [each for each in shown.operations if each.risk in rule.classes]
    numbers: dict[str, float] = {
        "compared": sum(each.compared for each in operations),
        "mismatched": sum(each.mismatched for each in operations),
        "operations": len(operations),
    }
    if not operations:
        risks = ", ".join(sorted(rule.classes))
        return Reading(GATE, NotEnough(f"pairs: no operation of class {risks} was compared"), numbers)
    worst = max(_log_above(each, rule.target) for each in operations)
    numbers["log_e_above"] = worst
    needed = log_needed_to_roll_back(policy.alpha / len(operations), policy.tested_gates, 1)
    return Reading(GATE, _result(operations, rule.target, needed), numbers)


def is_comparing(shown: Equivalence | Unavailable, present: Scope, now: float) -> bool:
    """Whether pairs arrive and the comparison has passed its self-test: what shadowing waits for."""
    return (
        isinstance(shown, Equivalence)
        and _why_not_counted(shown, present, shown.target, now) is None
        and any(each.compared for each in shown.operations)
    )


def _result(operations: Sequence[ComparedPairs], target: float, needed: float) -> Result:
    for each in operations:
        if _log_above(each, target) >= needed:
            return Failed(
                f"{each.mismatched} of {each.compared} pairs of {each.operation} mismatch,"
                f" more than {target:.4g} of all requests do"
            )
    unproven = [each for each in operations if each.missing != 0]
    if not unproven:
        number = "the operation mismatches" if len(operations) == 1 else f"all {len(operations)} operations mismatch"
        return Passed(f"{number} in fewer than {target:.4g} of all requests")
    slowest = max(unproven, key=_seconds)
    pairs = "more pairs than can come" if slowest.missing is None else f"{slowest.missing} more matching pairs"
    others = f" and {len(unproven) - 1} other operations" if len(unproven) > 1 else ""
    seconds = _seconds(slowest)
    return NotEnough(f"{pairs} of {slowest.operation}{others}", None if seconds == float("inf") else seconds)


def _seconds(pairs: ComparedPairs) -> float:
    if pairs.missing is None or pairs.per_second <= 0:
        return float("inf")
    return pairs.missing / pairs.per_second


def _log_above(pairs: ComparedPairs, target: float) -> float:
    return log_e_above(pairs.mismatched, pairs.compared, target)


def _why_not_counted(shown: Equivalence, present: Scope, target: float, now: float) -> str | None:
    if shown.target != target:
        return f"the pairs count towards a mismatch rate of {shown.target:g}, not {target:g}"
    # Pairs are of an epoch, which lasts over the steps.
    broken = why_not_of(shown.scope, present, over_steps=True) or why_not_current(shown.at, now)
    if broken is not None:
        return broken
    if shown.tested_at is None:
        return "the comparison has not been tested with known pairs"
    if shown.failure:
        return f"the comparison fails its self-test: {shown.failure}"
    old = why_not_current(shown.tested_at, now, TESTED_WITHIN)
    return None if old is None else f"the last self-test of the comparison does not count: {old}"
