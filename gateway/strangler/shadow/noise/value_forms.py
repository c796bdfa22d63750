"""The form of a value, and the distance between two values.

Noise is learned as forms (`strangler.shadow.noise.noise`): the values that
legacy may show at a place instead of an earlier one. A form is a type and a
format ("UUID", "ISO time with T, seconds, fraction, Z", "lower-case hex"), plus
the length of the value. The form of a text is its wording without numbers, times
and random tokens: `Rendered in 12 ms` and `Rendered in 7 ms` have one form,
`Total 12.50` has another.

Wide forms include narrow ones: a random hex string that happens to contain only
digits has the form "digits", which is within "lower-case hex". Placeholders for
a missing value (`undefined`, the first second of 1970, the nil UUID, one
character repeated) are forms of their own, regardless of their format.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from strangler.comparison.difference import Difference, DifferenceKind

LONGEST = 500
"""Maximum characters examined of a value; a longer value has the length of this plus one."""

TIME, NUMBER = "s", "1"
"""The units of distances: seconds, and numbers without a unit."""

TEXT = "text"
UUID = "UUID"

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_ISO = re.compile(
    r"(?<!\d)(\d{4}-\d{2}-\d{2})(?:([T ])(\d{2}:\d{2})(:\d{2})?([.,]\d{1,9})?(Z|[+-]\d{2}:?\d{2})?)?(?![\d-])",
    re.ASCII,
)
_DATE = re.compile(r"[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} (?:GMT|UTC|[+-]\d{4})", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
_RUN = re.compile(r"[A-Za-z0-9]{6,}")
_REPEATED = re.compile(r"([0-9A-Za-z])\1{5,}")

_CHARACTERS = (
    ("digits", re.compile(r"[0-9]+")),
    ("lower-case hex", re.compile(r"[0-9a-f]+")),
    ("upper-case hex", re.compile(r"[0-9A-F]+")),
    ("letters and digits", re.compile(r"[A-Za-z0-9]+")),
    ("URL-safe token", re.compile(r"[A-Za-z0-9_-]+")),
    ("base64", re.compile(r"[A-Za-z0-9+/_-]+={0,2}")),
)
"""Formats by the characters that they consist of, narrow ones first."""

_PLACEHOLDERS = frozenset(
    ("undefined", "null", "none", "nil", "nan", "n/a", "na", "infinity", "-infinity", "unknown", "-1")
) | {"[object object]", "not available", "none given"}
_PLACEHOLDER_DAYS = frozenset(("1970-01-01", "1969-12-31", "0001-01-01", "1900-01-01", "9999-12-31"))


class Form(NamedTuple):
    """The form of a value: `names` are the formats that it matches, narrowest first; the first is its own.

    `length` is the value's length if lengths are significant for the format, else 0.
    """

    names: tuple[str, ...]
    length: int = 0

    @property
    def name(self) -> str:
        """The value's own format."""
        return self.names[0]


class Measured(NamedTuple):
    """A difference by the forms of its values; `unit` is the unit of `distance`, "" if there is none."""

    legacy: Form
    other: Form
    unit: str
    distance: float


def measure(difference: Difference) -> Measured:
    """Return the forms of a difference's two values, and the distance between them."""
    return _measure(difference.kind, difference.legacy, difference.extracted, difference.place.startswith("$"))


@lru_cache(2048)
def _measure(kind: DifferenceKind, legacy: str | None, other: str | None, is_json: bool) -> Measured:
    if kind is DifferenceKind.ORDER:
        return Measured(Form(("order",)), Form(("order",)), "", 0.0)
    if kind is DifferenceKind.LENGTH:
        one, two = _numbers(legacy or "")[:1], _numbers(other or "")[:1]
        apart = _apart(one[0], two[0]) if one and two else 0.0
        return Measured(Form(("length",)), Form(("length",)), NUMBER if one and two else "", apart)
    forms = form_of(legacy, is_json), form_of(other, is_json)
    unit, distance = "", 0.0
    if legacy is not None and other is not None:
        unit, distance = _distance(legacy, other, forms)
    return Measured(*forms, unit, distance)


def forget() -> None:
    """Clear the cache of recent values' forms."""
    _measure.cache_clear()


def time_in(text: str | None) -> float | None:
    """Return the seconds since 1970 of the single time in a value; a time without a zone counts as UTC."""
    if text is None:
        return None
    plain = text.strip('"')
    epoch = _epoch(plain)
    if epoch is not None:
        return float(plain) / (1 if epoch == "epoch seconds" else 1000)
    times = _times(plain)
    if len(times) != 1:
        return None
    return (times[0] if times[0].tzinfo is not None else times[0].replace(tzinfo=UTC)).timestamp()


def form_of(text: str | None, is_json: bool) -> Form:
    """Return the form of a value as a difference shows it: JSON text in JSON, else the value itself."""
    if text is None:
        return Form(("nothing",))
    if not is_json:
        return _of_text(text)
    first = text[:1]
    if first == '"':
        return _of_text(_string(text))
    if first == "{":
        keys = sorted(re.findall(r'"((?:[^"\\]|\\.)*)"\s*:', text)) if not text.endswith("…") else ["…"]
        return Form((f"object {_digest(' '.join(keys))}", "object"))
    if first == "[":
        return Form(("array",))
    if first in "tf":
        return Form(("boolean",))
    return Form(("null",)) if text == "null" else _of_number(text)


def _string(text: str) -> str:
    """Return the string of a JSON text; if it was truncated, its beginning."""
    try:
        value = json.loads(text)
    except ValueError:
        return text[1:]
    return value if isinstance(value, str) else text


def _of_number(text: str) -> Form:
    if not _NUMBER.fullmatch(text.rstrip("…")):
        return Form(("not a number",))
    epoch = _epoch(text)
    if epoch is not None:
        return Form((epoch, "integer", "decimal number"))
    kinds = ("decimal number",) if set(text) & set(".eE") else ("integer", "decimal number")
    return Form(tuple(f"negative {kind}" for kind in kinds) if text.startswith("-") else kinds)


def _epoch(text: str) -> str | None:
    """Return the format of a number that may be a time between 2001 and 2036."""
    if len(text) in (10, 13) and text.isascii() and text.isdigit() and "1000" <= text[:4] <= "2099":
        return "epoch seconds" if len(text) == 10 else "epoch milliseconds"
    return None


def _of_text(text: str) -> Form:
    length = len(text)
    if not text.strip():
        return Form(("empty",)) if not text else Form(("white space", TEXT), length)
    if text.strip().lower() in _PLACEHOLDERS:
        return Form((f"placeholder {text.strip().lower()}",))
    if _UUID.fullmatch(text):
        bare = text.replace("-", "").lower()
        return Form(("placeholder UUID",)) if len(set(bare)) == 1 else Form((UUID,))
    time = _time_form(text)
    if time is not None:
        return time
    if _REPEATED.fullmatch(text):
        return Form((f"placeholder of one character, {text[0]}",), length)
    return Form(_names(text), min(length, LONGEST + 1))


def _time_form(text: str) -> Form | None:
    match = _ISO.fullmatch(text)
    if match is None:
        return Form(("HTTP date",)) if _DATE.fullmatch(text) else None
    day, separator, minutes, seconds, fraction, zone = match.groups()
    if day in _PLACEHOLDER_DAYS:
        return Form((f"placeholder {day}",))
    if minutes is None:
        return Form(("ISO date",))
    parts = ["T" if separator == "T" else "space"]
    parts += [name for name, part in (("seconds", seconds), ("fraction", fraction)) if part]
    return Form((f"ISO time with {', '.join([*parts, zone or 'no zone'])}",))


def _names(text: str) -> tuple[str, ...]:
    """Return the formats of a text by its characters and its wording."""
    names = [name for name, characters in _CHARACTERS if characters.fullmatch(text)] if " " not in text else []
    if names and _is_token(text, names[0]):
        return (*names, TEXT)
    return (f"{TEXT} {_digest(_wording(text))}", *names, TEXT)


def _is_token(text: str, name: str) -> bool:
    """Return whether a text looks random, so that its characters describe it better than its wording."""
    if name == "digits":
        return True
    digits = any(character.isdigit() for character in text)
    letters = any(character.isalpha() for character in text)
    if name in ("lower-case hex", "upper-case hex"):
        return len(text) >= 4 and digits and letters
    if name == "letters and digits":
        return len(text) >= 6 and digits and letters
    mixed = digits and text.lower() != text != text.upper()
    if name == "URL-safe token":
        words = re.split(r"[-_]+", text)
        return len(text) >= 8 and digits and not all(word.isalpha() or word.isdigit() or not word for word in words)
    return len(text) >= 16 and mixed


def _wording(text: str) -> str:
    """Return a text without numbers, times and random tokens."""
    text = _DATE.sub("T", _ISO.sub("T", _UUID.sub("U", text[:LONGEST])))
    text = _RUN.sub(lambda run: run[0] if run[0].isalpha() or run[0].isdigit() else "x", text)
    return re.sub(r"\d+", "0", text)


def _digest(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()


def _distance(legacy: str, other: str, forms: tuple[Form, Form]) -> tuple[str, float]:
    """Return the distance between the times or numbers in two values; the unit is "" if they can't be compared."""
    names = forms[0].name, forms[1].name
    if names[0] == names[1] in ("integer", "decimal number"):
        return NUMBER, _apart(float(legacy.rstrip("…")), float(other.rstrip("…")))
    scale = _SCALES.get(names[0])
    if scale is not None and names[0] == names[1]:
        return TIME, abs(float(legacy) - float(other)) / scale
    if any(name in _RANDOM or name.startswith(("object", "array", "placeholder")) for name in names):
        return "", 0.0
    times = _times(legacy), _times(other)
    if times[0] and len(times[0]) == len(times[1]):
        try:
            return TIME, max(abs((one - two).total_seconds()) for one, two in zip(*times, strict=True))
        except TypeError:  # one has a zone, the other doesn't
            return "", 0.0
    numbers = _numbers(legacy), _numbers(other)
    if numbers[0] and len(numbers[0]) == len(numbers[1]):
        return NUMBER, max(_apart(one, two) for one, two in zip(*numbers, strict=True))
    return "", 0.0


def _apart(one: float, other: float) -> float:
    """Return the distance between two numbers, which may exceed the range of a float."""
    return 0.0 if one == other else min(_LARGEST, abs(one - other))


_LARGEST = 1e300

_SCALES = {"epoch seconds": 1.0, "epoch milliseconds": 1000.0}
_RANDOM = frozenset((UUID, *(name for name, _ in _CHARACTERS[1:])))


def _times(text: str) -> list[datetime]:
    """Return the times in a text, each with or without a zone."""
    if "-" not in text and ":" not in text:
        return []
    try:
        times = [datetime.fromisoformat(match[0].replace(",", ".")) for match in _ISO.finditer(text[:LONGEST])]
        return [*times, *(parsedate_to_datetime(match[0]) for match in _DATE.finditer(text[:LONGEST]))]
    except (ValueError, TypeError, IndexError, OverflowError):  # it looks like a time, but isn't one
        return []


def _numbers(text: str) -> list[float]:
    """Return the numbers in a text."""
    return [float(match[0]) for match in _NUMBER.finditer(text[:LONGEST])]
