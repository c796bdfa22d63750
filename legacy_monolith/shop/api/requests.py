"""Reading and judging what an API caller sent."""

import json
import re
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from django.http import HttpRequest

from shop.api.responses import ApiError

MAX_BODY = 65536  # bytes
# How much Python's parser takes depends on its version and its caller's stack: that can't be the limit.
MAX_DEPTH = 100

_UNCLEAN = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")

# Whole strings first, for brackets in them nest nothing.
_STRUCTURE = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[{\]}]', re.DOTALL)


def is_clean(text: str) -> bool:
    """Whether a text has no control characters and no lone surrogates (which no encoding can store)."""
    return _UNCLEAN.search(text) is None


def json_object(request: HttpRequest) -> dict[str, Any]:
    """The JSON object in a request's body, or the ApiError of what is wrong with it."""
    media_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise ApiError("unsupported_media_type")
    # The announced length first: a huge body is not worth reading.
    if _announced_length(request) > MAX_BODY or len(request.body) > MAX_BODY:
        raise ApiError("too_large")
    try:
        text = request.body.decode()
        if _depth(text) > MAX_DEPTH:
            raise ApiError("malformed")
        value = json.loads(text, parse_constant=_refuse_constant)
    except ValueError:
        raise ApiError("malformed") from None
    if not isinstance(value, dict):
        raise ApiError("malformed")
    return value


def _announced_length(request: HttpRequest) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0


def _depth(text: str) -> int:
    """How deeply the arrays and objects of a JSON text are nested."""
    level = deepest = 0
    for found in _STRUCTURE.finditer(text):
        if found[0] in ("[", "{"):
            level += 1
            deepest = max(deepest, level)
        elif found[0] in ("]", "}"):
            level -= 1
    return deepest


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


class Query:
    """The query parameters of one request, and what is wrong with them.

    Each reading method returns the parameter's value or None; `check` at the end raises one error that
    names all that were invalid, in the order in which they were read.
    """

    def __init__(self, request: HttpRequest) -> None:
        # Not `request.GET`: that decodes by the body's charset, and takes only so many fields.
        sent = request.META.get("QUERY_STRING", "").encode("latin-1").decode("utf-8", "replace")
        self._sent: dict[str, str] = dict(parse_qsl(sent, keep_blank_values=True))
        self._errors: dict[str, str] = {}
        self.given: dict[str, str] = {}

    def text(self, name: str, *, trim: bool = False) -> str | None:
        """The parameter as it is; None if absent or empty."""
        value = self._sent.get(name, "")
        if trim:
            value = value.strip()
        if not value:
            return None
        self.given[name] = value
        return value

    def whole_number(self, name: str, maximum: int, default: int) -> int:
        """A number from 1 to `maximum`, without sign, blanks or leading zeros."""
        value = self.text(name)
        if value is None:
            return default
        digits = len(str(maximum))
        if re.fullmatch(rf"[1-9][0-9]{{0,{digits - 1}}}", value) and int(value) <= maximum:
            return int(value)
        self.refuse(name, f"must be a whole number from 1 to {maximum}")
        return default

    def refuse(self, name: str, reason: str) -> None:
        """Note that a parameter is invalid."""
        self._errors[name] = reason

    def check(self) -> None:
        """Raise ApiError if anything was refused."""
        if self._errors:
            raise ApiError("invalid", self._errors)
