"""A number that has to stay below a limit, such as the result of a Prometheus query.

The number comes without an error probability, and one reading at the limit or
above it rolls back: the limit has to be one that a good release does not reach.
"""

from __future__ import annotations

import math

from strangler.rollout.evidence import MetricValue, Unavailable
from strangler.rollout.gates.currency import why_not_current
from strangler.rollout.results import CannotMeasure, Failed, Passed, Reading


def metric_reading(gate: str, below: float, measured: MetricValue | Unavailable | None, now: float) -> Reading:
    """What `measured` shows; None and NaN are no measurement."""
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
    numbers = {"value": measured.value, "below": below}
    if measured.value < below:
        return Reading(gate, Passed(f"{measured.value:g} is below {below:g}"), numbers)
    return Reading(gate, Failed(f"{measured.value:g} is not below {below:g}"), numbers)
