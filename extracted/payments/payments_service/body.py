"""Reading a request's JSON object: media type, then size, then syntax."""

from __future__ import annotations

import json
import re
from typing import Any

from starlette.requests import Request

from payments_service.answer import malformed, too_large, unsupported_media_type

MAX_BODY = 65536

# How much Python's parser takes depends on its version and its caller's stack: that can't be the limit.
MAX_DEPTH = 100

# Whole strings first, for brackets in them nest nothing.
STRUCTURE = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[{\]}]', re.DOTALL)


async def read_object(request: Request) -> dict[str, Any]:
    """The object in the request's body; raises the `ApiError` for whatever is wrong with it."""
    # Of two, neither can be known to be meant.
    lines = request.headers.getlist("content-type")
    media_type = lines[0].partition(";")[0].strip().lower() if len(lines) == 1 else ""
    if media_type != "application/json":
        raise unsupported_media_type()
    return parse_object(await read_body(request))


async def read_body(request: Request) -> bytes:
    """The body, of which no more is kept than is allowed."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > MAX_BODY:
        raise too_large()
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise too_large()
    return bytes(body)


def parse_object(body: bytes) -> dict[str, Any]:
    """Strict: UTF-8 without a mark, no NaN or Infinity, no number that is longer than Python takes."""
    try:
        text = body.decode()
        if depth(text) > MAX_DEPTH:
            raise malformed()
        value = json.loads(text, parse_constant=refuse_constant)
    except ValueError:
        raise malformed() from None
    if not isinstance(value, dict):
        raise malformed()
    return value


def depth(text: str) -> int:
    """How deeply the arrays and objects of a JSON text are nested."""
    level = deepest = 0
    for found in STRUCTURE.finditer(text):
        if found[0] in ("[", "{"):
            level += 1
            deepest = max(deepest, level)
        elif found[0] in ("]", "}"):
            level -= 1
    return deepest


def refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
