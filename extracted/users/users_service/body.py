"""Reading a request's JSON object: media type, then size, then syntax."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request

from users_service.answer import malformed, too_large, unsupported_media_type

MAX_BODY = 65536


async def read_object(request: Request) -> dict[str, Any]:
    """The object in the request's body; raises the `ApiError` for whatever is wrong with it."""
    # Of two the last counts, as in the monolith.
    content_types = request.headers.getlist("content-type")
    media_type = content_types[-1].partition(";")[0].strip().lower() if content_types else ""
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
    """Strict: UTF-8 without a mark, no NaN or Infinity, nothing deeper or longer than Python takes."""
    try:
        value = json.loads(body.decode(), parse_constant=refuse_constant)
    except (ValueError, RecursionError):
        raise malformed() from None
    if not isinstance(value, dict):
        raise malformed()
    return value


def refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
