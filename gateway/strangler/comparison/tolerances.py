"""How far two values may differ if a rule governs them.

Each class is one treatment of a `compare:` rule. `accepts` is whether a
difference of a kind between two values may pass; a value is a JSON value, or
text, or ABSENT on a side without a value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, InvalidOperation, Overflow, Underflow
from email.utils import parsedate_to_datetime
from typing import Final, Protocol

from strangler.comparison.difference import DifferenceKind


class Absent:
    """The value on a side without one."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent()

_UUID = re.compile(r"(urn:uuid:)?[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.IGNORECASE)
_NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_MILLISECONDS_FROM = 100_000_000_000
"""As seconds since 1970 this is the year 5138, so a larger number counts milliseconds."""
_ARITHMETIC = Context(prec=50, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[InvalidOperation, Overflow, Underflow])


class FloatText(float):
    """A JSON number that is not spelled as a plain integer; `text` is its spelling."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> FloatText:
        """Return the value of `text`."""
        number = super().__new__(cls, text)
        number.text = text
        return number


class Treatment(Protocol):
    """How a rule treats a difference."""

    def accepts(self, kind: DifferenceKind, legacy: object, extracted: object) -> bool:
        """Return whether the difference may pass."""
        ...


@dataclass(frozen=True, slots=True)
class Ignore:
    """Lets differences of some kinds pass, at the place and below it.

    `redacted` lets values pass that differ only in redacted parts, which the
    caller determines, because it depends on their place.
    """

    kinds: frozenset[DifferenceKind]
    redacted: bool = False

    def accepts(self, kind: DifferenceKind, legacy: object, extracted: object) -> bool:
        """Return whether the kind is one of those."""
        return kind in self.kinds


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Lets numbers pass that are at most `most` apart, or that share of the larger one if `relative`."""

    most: Decimal
    relative: bool = False

    def accepts(self, kind: DifferenceKind, legacy: object, extracted: object) -> bool:
        """Return whether both are numbers, or both are numbers as text, and close enough."""
        if kind not in (DifferenceKind.VALUE, DifferenceKind.NUMBER_FORM) or isinstance(legacy, str) is not isinstance(
            extracted, str
        ):
            return False
        one, other = decimal_of(legacy), decimal_of(extracted)
        if one is None or other is None:
            return False
        most = self.most
        try:
            distance = _ARITHMETIC.subtract(one, other).copy_abs()
            if self.relative:
                larger = _ARITHMETIC.max(one.copy_abs(), other.copy_abs())
                most = _ARITHMETIC.divide(_ARITHMETIC.multiply(larger, most), Decimal(100))
        except ArithmeticError:  # an exponent too large or too small to compute with
            return False
        return distance <= most


@dataclass(frozen=True, slots=True)
class TimeTolerance:
    """Lets times pass that are at most `most` apart: ISO 8601, HTTP dates, seconds or milliseconds since 1970."""

    most: timedelta

    def accepts(self, kind: DifferenceKind, legacy: object, extracted: object) -> bool:
        """Return whether both are times, both with a zone or both without, and close enough."""
        if kind not in (DifferenceKind.VALUE, DifferenceKind.NUMBER_FORM):
            return False
        one, other = time_of(legacy), time_of(extracted)
        if one is None or other is None or (one.tzinfo is None) is not (other.tzinfo is None):
            return False
        return abs(one - other) <= self.most


@dataclass(frozen=True, slots=True)
class Regex:
    """Lets two texts pass that both match a pattern."""

    pattern: re.Pattern[str]

    def accepts(self, kind: DifferenceKind, legacy: object, extracted: object) -> bool:
        """Return whether both match as a whole; a number counts as its spelling."""
        if kind not in (DifferenceKind.VALUE, DifferenceKind.NUMBER_FORM):
            return False
        one, other = _plain_text(legacy), _plain_text(extracted)
        return (
            one is not None
            and other is not None
            and bool(self.pattern.fullmatch(one) and self.pattern.fullmatch(other))
        )


@dataclass(frozen=True, slots=True)
class Mask:
    """Lets two texts pass that are equal except for parts that match a pattern."""

    pattern: re.Pattern[str]

    def accepts(self, kind: DifferenceKind, legacy: object, extracted: object) -> bool:
        """Return whether both are equal without those parts."""
        if kind is not DifferenceKind.VALUE or not isinstance(legacy, str) or not isinstance(extracted, str):
            return False
        return self.pattern.sub("\0", legacy) == self.pattern.sub("\0", extracted)


@dataclass(frozen=True, slots=True)
class Uuid:
    """Lets two UUIDs pass (RFC 9562), with or without hyphens."""

    def accepts(self, kind: DifferenceKind, legacy: object, extracted: object) -> bool:
        """Return whether both are UUIDs."""
        return kind is DifferenceKind.VALUE and all(
            isinstance(value, str) and _UUID.fullmatch(value) is not None for value in (legacy, extracted)
        )


@dataclass(frozen=True, slots=True)
class NullEqualsMissing:
    """Lets null pass if the other side has no value."""

    def accepts(self, kind: DifferenceKind, legacy: object, extracted: object) -> bool:
        """Return whether one side is null and the other absent."""
        return (kind is DifferenceKind.MISSING and legacy is None) or (
            kind is DifferenceKind.EXTRA and extracted is None
        )


@dataclass(frozen=True, slots=True)
class Unordered:
    """Matches the most similar elements of a list, regardless of their order.

    `key` names the field by which elements are matched, if there is one.
    """

    key: str | None = None

    def accepts(self, kind: DifferenceKind, legacy: object, extracted: object) -> bool:
        """Return whether only the order differs."""
        return kind is DifferenceKind.ORDER


def decimal_of(value: object) -> Decimal | None:
    """Return the exact number that a value is or spells, None if it isn't a number."""
    if isinstance(value, bool):
        return None
    if isinstance(value, FloatText):
        text = value.text
    elif isinstance(value, (int, float)):
        return Decimal(value)
    elif isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        text = value
    else:
        return None
    try:
        number = Decimal(text.strip())
    except InvalidOperation:  # an exponent out of range
        return None
    return number if number.is_finite() else None


def time_of(value: object) -> datetime | None:
    """Return the time that a value represents, None if it isn't a time."""
    if isinstance(value, bool):
        return None
    try:
        if isinstance(value, (int, float)):
            seconds = value / 1000 if abs(value) >= _MILLISECONDS_FROM else value
            return datetime.fromtimestamp(seconds, UTC)
        if isinstance(value, str) and value[:1].isdigit():
            return datetime.fromisoformat(value)
        if isinstance(value, str):
            return parsedate_to_datetime(value)
    except (ValueError, OverflowError, OSError, TypeError):
        return None
    return None


def _plain_text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, FloatText):
        return value.text
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None
