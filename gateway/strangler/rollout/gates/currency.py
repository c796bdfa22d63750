"""Whether evidence is current: about the present revision and step, and read just now.

Evidence that is not is no evidence, whatever it shows. Evidence from the future
is not current either: one of two clocks is wrong, and it is not known which.
"""

from __future__ import annotations

from strangler.rollout.evidence import Scope
from strangler.rollout.results import duration

READ_WITHIN = 60.0
"""Seconds for which what was read from the store or from Prometheus counts."""
AHEAD = 5.0
"""Seconds by which clocks of two machines may differ."""


def why_not_current(at: float, now: float, within: float = READ_WITHIN) -> str | None:
    """Why evidence of the time `at` does not count now; None if it does."""
    if at > now + AHEAD:
        return f"the evidence is {duration(at - now)} ahead of the clock"
    if now - at > within:
        return f"the evidence is {duration(now - at)} old"
    return None


def why_not_of(scope: Scope, present: Scope, *, over_steps: bool = False) -> str | None:
    """Why evidence about `scope` is not about the `present` one; None if it is.

    Evidence that is gathered `over_steps` is about any step and period.
    """
    if scope.revision != present.revision:
        return f"the evidence is of revision {scope.revision}, not {present.revision}"
    if scope.attempt != present.attempt:
        return f"the evidence is of attempt {scope.attempt}, not {present.attempt}"
    if over_steps:
        return None
    if scope.step != present.step:
        return f"the evidence is of step {scope.step}, not {present.step}"
    if scope.period != present.period:
        return f"the evidence is of day {scope.period} of watching, not {present.period}"
    return None
