"""A number that has to stay below a limit, such as the result of a Prometheus query.

The number comes without an error probability, and one reading at the limit or
above it rolls back: the limit has to be one that a good release does not reach.
"""

from __future__ import annotations

import math

from strangler.rollout.evidence import MetricValue, Unavailable
from strangler.rollout.gates.currency import why_not_current
from strangler.rollout.results import CannotMeasure, Failed, NotEnough, Passed, Reading


def metric_reading(
    gate: str, below: float, measured: MetricValue | Unavailable | None, since: float, now: float
) -> Reading:
    """What `measured` shows; None and NaN are no measurement.

    A value from before `since`, when the state was entered, is of another share or revision.
    """
    match measured:
        case None:
            return Reading(gate, CannotMeasure("it was not queried"))
        case Unavailable(why):
            return Reading(gate, CannotMeasure(why))
    old = why_not_current(measured.at, now)
    if old is not None:
        return Reading(gate, CannotMeasure(old))
    if math.isnan(measured.value):
        return Reading(gate, CannotMeasure("the value is NaN"))
    # After a clock went back, the state was entered in the future, which is no reason to wait for that.
    if measured.at < since <= now:
        return Reading(gate, NotEnough("a value measured since the step began"))
    numbers = {"value": measured.value, "below": below}
    if measured.value < below:
        return Reading(gate, Passed(f"{measured.value:g} is below {below:g}"), numbers)
    return Reading(gate, Failed(f"{measured.value:g} is not below {below:g}"), numbers)
