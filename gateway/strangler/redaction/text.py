"""Text without what is secret in it.

JSON is taken apart. Of any other text nothing is kept from where a value begins
that belongs to the name of a credential: where it ends can't be told, and
showing too little does no harm. Text that shows a secret only once it is
decoded (percent-escapes, those of JSON and HTML) isn't kept at all.

Each step reads a text once, from its beginning to its end.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_plus

import orjson

from strangler.redaction.names import SecretNames, normalised
from strangler.redaction.shapes import REDACTED, SecretShapes

Shown = Callable[[str], str]
"""What may be shown of a text."""

_NAME = re.compile(r"[\w.\[\]$-]++")
_VALUE_BEGINS = re.compile(r"([\s\"'`\\\])]*+)([:=>,<])")
_NAMES_ANOTHER = re.compile(
    r"(?<![\w-])(?:autocomplete|field|header|id|itemprop|key|name|param|parameter|property|type)"
    r"[\"'\\]{0,4}\s{0,4}[=:]\s{0,4}[\"'\\]{0,4}\Z"
)
_WINDOW = 40
_SIGN = re.compile(r"[=:]")
_NOTHING_FOLLOWS = re.compile(r"(?:[\s\"'\\\])}>:=]|\[redacted\])*\Z")

_ENTITY = re.compile(r"&(?:#[xX]?[0-9a-fA-F]{1,7}|[a-zA-Z]{2,31});?")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]{1,6})\}|x([0-9a-fA-F]{2})|(.))", re.S)
_PERCENT_U = re.compile(r"%u([0-9a-fA-F]{4})")
MOST_ENCODINGS = 5
_PLAIN = re.compile(r"[\w .,!?()/*#@-]*+")
"""Text in which no name is followed by a value and nothing is encoded."""

_TAG = re.compile(r"<[A-Za-z_/!?]")

_NAMING = frozenset(("field", "header", "id", "key", "name", "param", "parameter", "property"))
_NAMED = frozenset(("content", "data", "default", "text", "v", "val", "value", "values"))
"""In `{"name": "password", "value": "x"}`."""

_PRIVATE_OF_KEY = frozenset(("d", "p", "q", "dp", "dq", "qi", "oth", "k"))
"""What is private in a JSON Web Key (RFC 7518 section 6)."""


def unescaped_html(text: str) -> str:
    """`text` with the characters that references of HTML stand for."""
    return _ENTITY.sub(lambda entity: html.unescape(entity[0]), text) if "&" in text else text


def load_json(text: str) -> Any:
    """What JSON holds, also where a lax reader alone takes it for such. Raises ValueError, RecursionError."""
    try:
        return orjson.loads(text)
    except ValueError:
        return json.loads(text.removeprefix("\ufeff"), parse_constant=str)


def dump_json(value: Any, indent: bool = False) -> str:
    """A value as JSON that can be written as UTF-8. Raises TypeError where it is nested too deep."""
    option = orjson.OPT_INDENT_2 if indent else None
    try:
        return orjson.dumps(value, option=option).decode()
    except TypeError:  # what is no Unicode, or too large a number
        try:
            text = json.dumps(value, ensure_ascii=False, indent=2 if indent else None)
        except RecursionError:
            raise TypeError("nested too deep") from None
        return text.encode("utf-8", "backslashreplace").decode()


class SecretText:
    """Removes from texts and JSON what is secret by `names` and `shapes`.

    `markup` does so with HTML and XML.
    """

    def __init__(
        self, names: SecretNames, shapes: SecretShapes, markup: Callable[[str, SecretNames, Shown], str]
    ) -> None:
        self.names = names
        self.shapes = shapes
        self._markup = markup
        self._key = lru_cache(8192)(self.text)

    def text(self, text: str) -> str:
        """`text` without what is secret, whatever it is."""
        if _TAG.search(text):
            shown = self._json(text)
            if shown is not None:
                return shown
            shown = self.markup(text)
            if shown != text and text.lstrip().startswith("<") and "\\" not in text:
                return shown
            text = shown
        return self.plain(text)

    def markup(self, text: str) -> str:
        """HTML or XML without what is secret; a key of many lines may have tags between them."""
        return self._markup(self.shapes.without_keys(text), self.names, self.plain)

    def plain(self, text: str) -> str:
        """`text` without what is secret; tags in it mean nothing."""
        if _PLAIN.fullmatch(text):
            return self.shapes.without(text)
        shown = self._json(text)
        if shown is not None:
            return shown
        shown = self.up_to_secret(text)
        return REDACTED if self._shows_otherwise(shown) else shown

    def value(self, value: Any) -> Any:
        """A JSON value without what is secret, at every depth. Raises RecursionError."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return self._object(value)
        if isinstance(value, list):
            return self._array(value)
        if isinstance(value, (int, float)) and self.shapes.number(value):
            return REDACTED
        return value

    def _array(self, value: list[Any]) -> Any:
        if len(value) == 2 and isinstance(value[0], str) and value[0] in self.names:
            return [self._key(value[0]), REDACTED]
        if any(isinstance(inner, str) and self.shapes.begins_key(inner) for inner in value):
            # The lines of a key are as many elements.
            return REDACTED
        return [self.value(inner) for inner in value]

    def _json(self, text: str) -> str | None:
        """The text where it is JSON that holds something secret; else None."""
        if text.lstrip("\ufeff \t\r\n")[:1] not in ("{", "[", '"'):
            return None
        try:
            value = load_json(text)
            redacted = self.value(value)
            return None if redacted == value else dump_json(redacted)
        except ValueError:
            return None
        except (RecursionError, TypeError):
            return REDACTED

    def _object(self, value: dict[str, Any]) -> dict[str, Any]:
        names_another = any(
            isinstance(inner, str) and normalised(name) in _NAMING and inner in self.names
            for name, inner in value.items()
        )
        is_key = "kty" in value  # a JSON Web Key (RFC 7517)
        redacted: dict[str, Any] = {}
        for name, inner in value.items():
            secret = name in self.names or (names_another and normalised(name) in _NAMED)
            secret = secret or (is_key and name in _PRIVATE_OF_KEY)
            shown = key = self._key(name)
            while key != name and (key in redacted or key in value):
                key = f"{shown} {len(redacted)}"
            redacted[key] = REDACTED if secret else self.value(inner)
        return redacted

    def up_to_secret(self, text: str) -> str:
        """`text` up to where the value of a credential begins, without tokens; it may have been cut anywhere."""
        for name in _NAME.finditer(text):
            if name[0] not in self.names:
                continue
            begins = _value_of(text, name)
            if begins is not None and (begins < name.start() or _NOTHING_FOLLOWS.match(text, begins) is None):
                return self.shapes.without(text[:begins]) + REDACTED
        return self.shapes.without(text)

    def _shows_otherwise(self, text: str) -> bool:
        """Whether something secret shows once `text` is taken for markup, or is decoded, however often that takes."""
        for _ in range(MOST_ENCODINGS):
            if _TAG.search(text) and self._markup(text, self.names, self.up_to_secret) != text:
                return True
            decoded = _decoded(text)
            if decoded == text:
                return False
            if self.up_to_secret(decoded) != decoded:
                return True
            text = decoded
        return True


def _value_of(text: str, name: re.Match[str]) -> int | None:
    """Where the value begins that belongs to a credential's name in `text`; None where there seems to be none."""
    before = text[max(0, name.start() - _WINDOW) : name.start()]
    if before.rstrip(" \t\r\n\"'\\")[-1:] in ("=", ":") and _NAMES_ANOTHER.search(before):
        opened = max(text.rfind("<", 0, name.start()), text.rfind("{", 0, name.start()))
        # The value may stand before the name: `<input value="x" name="password">`.
        is_first = opened < 0 or len(_SIGN.findall(text, opened, name.start())) == 1
        return name.end() if is_first else opened
    begins = _VALUE_BEGINS.match(text, name.end())
    if begins is None:
        return None
    between, sign = begins.groups()
    quoted = '"' in between or "'" in between
    label = before.rstrip().endswith(">")
    return begins.end() if sign in ":=>" or (sign == "," and quoted) or (sign == "<" and label) else None


def _decoded(text: str) -> str:
    """`text` without one layer of each way to write characters in others."""
    if "%" in text or "+" in text:
        text = unquote_plus(_PERCENT_U.sub(lambda match: chr(int(match[1], 16)), text))
    if "\\" in text:
        text = _ESCAPE.sub(_character, text)
    return unescaped_html(text)


def _character(match: re.Match[str]) -> str:
    number = match[1] or match[2] or match[3]
    if number is None:
        return " " if match[4] in "bfnrt" else match[4]
    return chr(int(number, 16)) if int(number, 16) <= 0x10FFFF else match[0]
