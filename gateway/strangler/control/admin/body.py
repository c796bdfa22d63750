"""The bodies of requests of the admin API, within bounds; documents among them are JSON of a given type."""

from __future__ import annotations

from typing import TypeVar

from pydantic import TypeAdapter, ValidationError
from starlette.requests import ClientDisconnect, Request

from strangler.control.admin.operations import JSON
from strangler.control.admin.problems import Refused

MOST_BYTES = 16_384

Document = TypeVar("Document")


async def bounded_body(request: Request, most: int) -> bytes:
    """The request's body of at most `most` bytes. Raises Refused."""
    content = bytearray()
    try:
        async for chunk in request.stream():
            content += chunk
            if len(content) > most:
                raise Refused(413, f"The request has more than {most} bytes.")
    except ClientDisconnect:
        raise Refused(400, "The request broke off.") from None
    return bytes(content)


async def document(request: Request, kind: type[Document]) -> Document:
    """The request's body as a `kind`. Raises Refused."""
    # A page in a browser can send other types across origins without asking.
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
        raise Refused(415, f"The request's Content-Type has to be {JSON}.")
    content = await bounded_body(request, MOST_BYTES)
    try:
        return TypeAdapter(kind).validate_json(content)
    except ValidationError as error:
        raise Refused(422, f"The request's document is not valid: {_first(error)}") from None


def _first(error: ValidationError) -> str:
    """The first thing that is wrong; what was sent is not repeated."""
    found = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(map(str, found["loc"]))
    return f"{place}: {found['msg']}" if place else found["msg"]
