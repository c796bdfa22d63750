"""A difference between two responses: where it is, of which kind, how bad, and which others are the same one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class DifferenceKind(StrEnum):
    """In what way two responses differ at a path."""

    MISSING = "missing"
    EXTRA = "extra"
    TYPE = "type"
    VALUE = "value"
    ORDER = "order"
    LENGTH = "length"
    NUMBER_FORM = "number form"


class Risk(StrEnum):
    """How likely a difference breaks a caller."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference that `path` names.

    `legacy` and `extracted` are the two values as text (JSON text for JSON),
    cut where they are long, and None on the side where there is nothing.
    `place` is the path without indexes. `signature` is the same for the same
    difference in other responses: it holds the kind and the place, and no values
    but statuses and types.
    """

    path: str
    kind: DifferenceKind
    legacy: str | None
    extracted: str | None
    risk: Risk
    signature: str
    place: str


OTHERS = "others"
"""The signature under which differences are counted once there are too many signatures to tell apart."""

MOST_TEXT = 500
"""Characters of a value that are shown."""


def shown(text: str, most: int | None = MOST_TEXT) -> str:
    """`text`, cut after `most` characters, and such that it can be written as UTF-8."""
    if most is not None and len(text) > most:
        text = text[:most] + "…"
    return text.encode("utf-8", "backslashreplace").decode()
