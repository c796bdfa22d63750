"""The judgement of a difference: whether it is noise, and why not."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Judgement(StrEnum):
    """The judgement of a difference at an operation."""

    NOISE = "noise"
    DIFFERENCE = "difference"
    UNDECIDED = "undecided"


class Why(StrEnum):
    """Why a difference is not noise, or is not allowed although its place is noise."""

    FEW = "too few pairs yet"
    RATE = "differs more often than legacy from itself"
    NEVER_AGREES = "does not agree where legacy agrees with itself"
    STEADY = "does not vary where legacy varies"
    REPEATS = "repeats values of earlier requests"
    COPIES = "shows the value of another field"
    FORM = "a form that legacy never showed"
    LENGTH = "a length that legacy never showed"
    DISTANCE = "farther apart than legacy's own responses"
    FORM_RATE = "a form that legacy shows less often"
    ELEMENTS = "more elements than legacy's own responses differ in"


class Judged(NamedTuple):
    """A judgement, why the difference is not noise, and whether it would be by the rates alone."""

    judgement: Judgement
    why: Why | None
    by_rates: bool = False


UNJUDGED = Judged(Judgement.UNDECIDED, Why.FEW)
