"""JSON as it is compared: numbers keep their spelling, paths are JSONPaths, values are shown as text.

If a key is given twice, the last one counts (as for most readers, RFC 8259
section 4).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from strangler.comparison.charsets import read
from strangler.comparison.difference import MOST_TEXT, shown
from strangler.comparison.text import lines_of
from strangler.comparison.tolerances import ABSENT, FloatText
from strangler.redaction.redaction import REDACTED, Redaction

MOST_DEPTH = 100
"""Maximum nesting; deeper documents are compared as text."""

_MOST_SHOWN_DEPTH = 20
_LONG = 4000
"""Maximum digits of an integer to convert, within Python's default limit (4,300)."""

_NAME = re.compile(r"[^\W\d]\w*")
_DATA_KEY = re.compile(
    r"""
    [0-9]+ | [0-9a-f]{16,} | [0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}  # numbers, digests, UUIDs
    | [0-9]{4}-[0-9]{2}(-[0-9]{2})?(T.*)?                               # days and times
    | (?!sha-|utf-|iso-)[a-z][a-z0-9_.:/#-]*?[-.:/#][0-9]+              # user-17, urn:user:17, shop.order/17
    | [a-z][a-z_]*?(_[0-9]{3,})+ | [a-z]+[0-9]{5,}                      # order_10023, SKU00017
    | [0-9]+[-_.:/][a-z0-9_.:/-]+                                       # 17-red, 2024/03
    | [^@\s]+@[^@\s]+\.[a-z]+                                          # addresses of e-mail
    | [0-9A-HJKMNP-TV-Z]{26}                                            # ULIDs
    | [a-z]{2,10}_(?=[a-z]*[0-9])[0-9a-z]{14,}                          # cus_NffrFeUfNV2Hib
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""Matches keys of maps that are ids: they differ from request to request, as indexes do."""
_REDACTION = Redaction()
"""Maximum characters of a key in a path; paths are stored regardless of the configuration."""

JSON_SPACE = " \t\r\n"
_RECORD_SEPARATOR = "\x1e"

Path = tuple["Path", str | int] | None
"""The path to a value: the path of its container, and its key or index; None is the document itself."""


def _integer(text: str) -> int | FloatText:
    return int(text) if len(text) < _LONG else FloatText(text)


def parse(body: bytes, charset: str | None = None) -> object:
    """Parse `body`; return ABSENT if it isn't JSON, or is nested too deep.

    It is UTF-8 (RFC 8259 section 8.1) unless a byte order mark, the `charset` of
    its Content-Type, or its first bytes indicate another encoding.
    """
    text = _text(body, charset)
    return ABSENT if text is None else _parsed(text)


def parse_lines(body: bytes, charset: str | None = None) -> object:
    """Return a list of the documents of JSON Lines; blank lines are skipped. ABSENT if a line isn't JSON."""
    text = _text(body, charset)
    return ABSENT if text is None else _parsed_all(lines_of(text))


def parse_sequence(body: bytes, charset: str | None = None) -> object:
    """Return a list of the documents of a JSON text sequence (RFC 7464). ABSENT if one isn't JSON."""
    text = _text(body, charset)
    if text is None or not text.lstrip(JSON_SPACE).startswith(_RECORD_SEPARATOR):
        return ABSENT
    return _parsed_all(text.split(_RECORD_SEPARATOR))


def _text(body: bytes, charset: str | None) -> str | None:
    """Return the text, or None if bytes are not valid in the charset."""
    if charset is None and b"\0" in body[:4] and body[:1] not in b"\xef\xfe\xff":
        charset = json.detect_encoding(body)
    text = read(body, charset)
    return text.text if text.whole else None


def _parsed(text: str) -> object:
    try:
        value = json.loads(text, parse_float=FloatText, parse_int=_integer, parse_constant=FloatText)
    except (ValueError, RecursionError):
        return ABSENT
    return ABSENT if _deeper(value, MOST_DEPTH) else value


def _parsed_all(texts: list[str]) -> object:
    values = [_parsed(text) for text in texts if text.strip(JSON_SPACE)]
    return ABSENT if any(value is ABSENT for value in values) else values


def _deeper(value: object, most: int) -> bool:
    level = [value]
    for _ in range(most + 1):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent if isinstance(parent, list) else ())
            if isinstance(child, (dict, list))
        ]
        if not level:
            return False
    return True


def same(one: object, other: object) -> bool:
    """Return whether two values are equal and spelled alike, except for white space and the order of keys."""
    kind = type(one)
    if kind is not type(other):
        return False
    if isinstance(one, dict) and isinstance(other, dict):
        return len(one) == len(other) and all(key in other and same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, FloatText) and isinstance(other, FloatText):
        return one.text == other.text
    return one == other


def size_of(value: object) -> int:
    """Return the number of values in a value, including itself."""
    if isinstance(value, dict):
        return 1 + sum(map(size_of, value.values()))
    return 1 + sum(map(size_of, value)) if isinstance(value, list) else 1


def type_of(value: object) -> str:
    """Return the JSON type of a value (RFC 8259 section 3)."""
    if isinstance(value, dict):
        return "object"
    if isinstance(value, list):
        return "array"
    if isinstance(value, str):
        return "string"
    if isinstance(value, bool):
        return "boolean"
    return "null" if value is None else "number"


def path_text(path: Path) -> str:
    """Return a path as a JSONPath: `$.items[0]["x-ray"]`."""
    return "$" + "".join(_step(step) for step in _steps(path))


def general_path(path: Path) -> str:
    """Return it with `[*]` for indexes, and for keys that are data: ids, e-mail addresses, days, tokens."""
    return "$" + "".join(
        "[*]" if isinstance(step, int) or _DATA_KEY.fullmatch(step) or _is_secret(step) else _step(step)
        for step in _steps(path)
    )


def _steps(path: Path) -> list[str | int]:
    steps: list[str | int] = []
    while path is not None:
        path, step = path
        steps.append(step)
    return steps[::-1]


def _is_secret(key: str) -> bool:
    return _REDACTION.text(key) != key


def _step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    if _is_secret(step):
        step = REDACTED
    if _NAME.fullmatch(step):
        return f".{step}"
    return f"[{shown(json.dumps(step, ensure_ascii=False), most=None)}]"


def value_text(value: object) -> str | None:
    """Return a value as JSON text, truncated if it is long; None for ABSENT."""
    if value is ABSENT:
        return None
    pieces: list[str] = []
    length = 0
    for piece in _pieces(value, 0):
        pieces.append(piece)
        length += len(piece)
        if length > MOST_TEXT:
            break
    return shown("".join(pieces))


def _pieces(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, FloatText):
        yield value.text
    elif not isinstance(value, (dict, list)):
        yield json.dumps(value, ensure_ascii=False)
    elif depth == _MOST_SHOWN_DEPTH:
        yield "…"
    elif isinstance(value, dict):
        yield "{"
        for number, (key, child) in enumerate(value.items()):
            yield f"{', ' if number else ''}{json.dumps(key, ensure_ascii=False)}: "
            yield from _pieces(child, depth + 1)
        yield "}"
    else:
        yield "["
        for number, child in enumerate(value):
            if number:
                yield ", "
            yield from _pieces(child, depth + 1)
        yield "]"
