"""The scope of evidence as one text: what workers report under, and what the store keeps it by."""

from __future__ import annotations

from strangler.rollout.evidence import Scope


def scope_text(scope: Scope) -> str:
    """`REVISION ATTEMPT STEP PERIOD`."""
    return f"{scope.revision} {scope.attempt} {scope.step} {scope.period}"


def scope_of(text: str) -> Scope:
    """The scope that `scope_text` wrote. Raises ValueError."""
    revision, attempt, step, period = text.split(" ")
    return Scope(revision, int(attempt), int(step), int(period))
