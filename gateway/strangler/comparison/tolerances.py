"""How far two values may differ where a rule governs them.

Each class is one treatment of a `compare:` rule. `accepts` says whether a
difference of a kind between two values may pass; a value is what JSON holds,
or text, or ABSENT on the side where there is nothing.
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
    """The value on the side where there is nothing."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent()

_UUID = re.compile(r"(urn:uuid:)?[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.IGNORECASE)
_NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_MILLISECONDS_FROM = 100_000_000_000
"""Seconds since 1970 that large are the year 5138, so a larger number counts milliseconds."""
_ARITHMETIC = Context(prec=50, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[InvalidOperation, Overflow, Underflow])


class FloatText(float):
    """A JSON number that is not written as a plain integer; `text` is how it is written."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> FloatText:
        """The number that `text` says."""
        number = super().__new__(cls, text)
        number.text = text
        return number


class Treatment(Protocol):
    """What a rule does with a difference."""

    def accepts(self, kind: DifferenceKind, legacy: object, extracted: object) -> bool:
        """Whether the difference may pass."""
        ...


@dataclass(frozen=True, slots=True)
class Ignore:
    """Differences of some kinds pass, at the place and below it.

    `redacted` lets values pass that are the same but for what is secret in
    them, which is found out where their place is known.
    """

    kinds: frozenset[DifferenceKind]
    redacted: bool = False

    def accepts(self, kind: DifferenceKind, legacy: object, extracted: object) -> bool:
        """Whether the kind is one of those."""
        return kind in self.kinds


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Numbers pass that are at most `most` apart, or that share of the larger one where it is `relative`."""

    most: Decimal
    relative: bool = False

    def accepts(self, kind: DifferenceKind, legacy: object, extracted: object) -> bool:
        """Whether both are numbers, or both are numbers written as text, and near enough."""
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
        except ArithmeticError:  # an exponent so large or small that nothing can be said
            return False
        return distance <= most


@dataclass(frozen=True, slots=True)
class TimeTolerance:
    """Times pass that are at most `most` apart: ISO 8601, HTTP dates, seconds or milliseconds since 1970."""

    most: timedelta

    def accepts(self, kind: DifferenceKind, legacy: object, extracted: object) -> bool:
        """Whether both are times, both with a zone or both without, and near enough."""
        if kind not in (DifferenceKind.VALUE, DifferenceKind.NUMBER_FORM):
            return False
        one, other = time_of(legacy), time_of(extracted)
        if one is None or other is None or (one.tzinfo is None) is not (other.tzinfo is None):
            return False
        return abs(one - other) <= self.most


@dataclass(frozen=True, slots=True)
class Regex:
    """Two texts pass that both have a form."""

    pattern: re.Pattern[str]

    def accepts(self, kind: DifferenceKind, legacy: object, extracted: object) -> bool:
        """Whether both match as a whole; a number is the text that it is written as."""
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
    """Two texts pass that are the same but for parts that have a form."""

    pattern: re.Pattern[str]

    def accepts(self, kind: DifferenceKind, legacy: object, extracted: object) -> bool:
        """Whether what is left of both is the same."""
        if kind is not DifferenceKind.VALUE or not isinstance(legacy, str) or not isinstance(extracted, str):
            return False
        return self.pattern.sub("\0", legacy) == self.pattern.sub("\0", extracted)


@dataclass(frozen=True, slots=True)
class Uuid:
    """Two UUIDs pass (RFC 9562), with or without hyphens."""

    def accepts(self, kind: DifferenceKind, legacy: object, extracted: object) -> bool:
        """Whether both are UUIDs."""
        return kind is DifferenceKind.VALUE and all(
            isinstance(value, str) and _UUID.fullmatch(value) is not None for value in (legacy, extracted)
        )


@dataclass(frozen=True, slots=True)
class NullEqualsMissing:
    """Null passes where the other side has nothing."""

    def accepts(self, kind: DifferenceKind, legacy: object, extracted: object) -> bool:
        """Whether one side is null and the other not there."""
        return (kind is DifferenceKind.MISSING and legacy is None) or (
            kind is DifferenceKind.EXTRA and extracted is None
        )


@dataclass(frozen=True, slots=True)
class Unordered:
    """Elements of a list belong together that are most alike, in whatever order they are.

    `key` names the field by which elements belong together, where there is one.
    """

    key: str | None = None

    def accepts(self, kind: DifferenceKind, legacy: object, extracted: object) -> bool:
        """Whether only the order differs."""
        return kind is DifferenceKind.ORDER


def decimal_of(value: object) -> Decimal | None:
    """The exact number that a value is or is written as, None where it is none."""
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
    except InvalidOperation:  # an exponent beyond all measure
        return None
    return number if number.is_finite() else None


def time_of(value: object) -> datetime | None:
    """The time that a value says, None where it says none."""
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
