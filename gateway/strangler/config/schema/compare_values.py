"""What the rules of a comparison write as text: paths, selectors, patterns, tolerances, days.

Each function goes from what the YAML says to what `strangler.shadow` compiles,
and raises ValueError with a message for a person.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal, InvalidOperation

from jsonpath import JSONPathEnvironment
from jsonpath.exceptions import JSONPathError
from selectolax.lexbor import LexborHTMLParser, SelectolaxError

from strangler.config.text.problems import described


class _JsonPaths(JSONPathEnvironment):
    """Looks deeper than the deepest document that is compared as JSON, so that its own bound is never reached."""

    max_recursion_depth = 200


JSON_PATHS = _JsonPaths(strict=True)
"""RFC 9535, without the extensions of the library."""

_STATUSES = re.compile(r"([1-5][0-9]{2})/([1-5][0-9]{2})")
_NOTHING = LexborHTMLParser("")


def parse_json_path(value: object) -> str:
    """A JSONPath (RFC 9535), which begins with `$`."""
    if not isinstance(value, str):
        raise ValueError(f"expected a JSONPath such as $.items[*].price, found {described(value)}")
    if not value.startswith("$"):
        raise ValueError(f"a JSONPath starts with $; did you mean '$.{value.lstrip('.')}'?")
    try:
        JSON_PATHS.compile(value)
    except JSONPathError as error:
        raise ValueError(f"'{value}' is not a JSONPath: {str(error).partition(chr(10))[0]}") from None
    return str(value)


def split_selector(selector: str) -> tuple[str, str]:
    """A CSS selector and the part of the element that it selects: `@NAME`, `text()`, or nothing for all of it."""
    css, _, part = selector.strip().rpartition(" ")
    if css and (part == "text()" or (part.startswith("@") and len(part) > 1)):
        return css.strip(), part.lower()
    return selector.strip(), ""


def parse_selector(value: object) -> str:
    """A CSS selector, and after a space `@NAME` for an attribute or `text()` for the texts of the element."""
    if not isinstance(value, str):
        raise ValueError(f"expected a CSS selector such as 'input[name=token] @value', found {described(value)}")
    try:
        _NOTHING.css(split_selector(value)[0])
    except SelectolaxError:
        raise ValueError(
            f"'{value}' is not a CSS selector; expected one such as 'div.price', 'a @href' or '#made text()'"
        ) from None
    return str(value)


def parse_regex(value: object) -> str:
    """A regular expression as Python's `re` understands it."""
    if not isinstance(value, str):
        raise ValueError(f"expected a regular expression, found {described(value)}")
    try:
        re.compile(value)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"'{value}' is not a regular expression: {error}") from None
    return str(value)


def parse_tolerance(value: object) -> str:
    """A number that is not negative, or a percentage such as `1%`; returned as text."""
    text = str(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else ""
    try:
        number = Decimal(text.removesuffix("%").strip())
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise ValueError(f"expected a number such as 0.01 or a percentage such as 1%, found {described(value)}")
    if number < 0:
        raise ValueError(f"a tolerance can't be negative: {value}")
    return text


def parse_statuses(value: object) -> str:
    """`400/422`: the status of the legacy side and that of the extracted side."""
    match = _STATUSES.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"expected the two sides' statuses, such as 400/422, found {described(value)}")
    if match[1] == match[2]:
        raise ValueError(f"'{value}' names the same status twice, which is no difference")
    return str(value)


def parse_cookie(value: object) -> str:
    """A cookie's name or `*`, and after a space `@NAME` for an attribute."""
    if not isinstance(value, str) or re.fullmatch(r"[^\s;=,@]+( +@[A-Za-z-]+)?", value) is None:
        raise ValueError(f"expected a cookie such as 'theme', 'theme @path' or '* @expires', found {described(value)}")
    return str(value)


def parse_day(value: object) -> date:
    """A day as 2027-03-31."""
    try:
        if isinstance(value, str) and len(value) == 10:
            return date.fromisoformat(value)
    except ValueError as error:
        raise ValueError(f"'{value}' is not a date: {error}") from None
    raise ValueError(f"expected a date such as 2027-03-31, found {described(value)}")
