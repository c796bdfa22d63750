"""A difference between two responses: its path, its kind, its risk, and the signature that groups equal ones."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class DifferenceKind(StrEnum):
    """How two responses differ at a path."""

    MISSING = "missing"
    EXTRA = "extra"
    TYPE = "type"
    VALUE = "value"
    ORDER = "order"
    LENGTH = "length"
    NUMBER_FORM = "number form"


class Risk(StrEnum):
    """How likely a difference is to break a caller."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference, at `path`.

    `legacy` and `extracted` are the two values as text (JSON text for JSON),
    truncated if they are long, and None on a side without a value. `place` is
    the path without indexes. `signature` is equal for the same difference in
    other responses: it contains the kind and the place, and no values except
    statuses and types.
    """

    path: str
    kind: DifferenceKind
    legacy: str | None
    extracted: str | None
    risk: Risk
    signature: str
    place: str


OTHERS = "others"
"""The signature that counts all further differences once there are too many signatures."""

MOST_TEXT = 500
"""Maximum characters shown of a value."""


def shown(text: str, most: int | None = MOST_TEXT) -> str:
    """Return `text`, truncated to `most` characters, and encodable as UTF-8."""
    if most is not None and len(text) > most:
        text = text[:most] + "…"
    return text.encode("utf-8", "backslashreplace").decode()
