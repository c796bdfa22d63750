"""What the service answers: compact JSON, the same headers on everything, errors of one shape."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from catalog_service.entity_tag import entity_tag, is_listed

SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
)


class Answer:
    """A whole answer, sent as an ASGI application. To HEAD it sends the headers alone."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, value: object, headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.body = encode(value)
        self.headers = (
            (b"content-type", b"application/json"),
            (b"content-length", str(len(self.body)).encode()),
            (b"cache-control", b"no-store"),
            *SECURITY_HEADERS,
            *((name.lower().encode(), text.encode("latin-1")) for name, text in (headers or {}).items()),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send_whole(scope, send, self.status, self.headers, self.body)


class TaggedAnswer:
    """A 200 that the caller may keep and ask about again: 304 if `If-None-Match` names what it still is."""

    __slots__ = ("body", "tag")

    def __init__(self, value: object) -> None:
        self.body = encode(value)
        self.tag = entity_tag(self.body)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kept = ((b"etag", self.tag.encode()), (b"cache-control", b"no-cache"), *SECURITY_HEADERS)
        conditions = Headers(scope=scope).getlist("if-none-match")
        if conditions and is_listed(self.tag, ",".join(conditions)):
            await send_whole(scope, send, 304, kept, b"")
            return
        entity = (
            (b"content-type", b"application/json"),
            (b"content-length", str(len(self.body)).encode()),
        )
        await send_whole(scope, send, 200, (*entity, *kept), self.body)


async def send_whole(
    scope: Scope, send: Send, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes
) -> None:
    """Send a response in one piece, without its body if the request was HEAD."""
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


class ApiError(Exception):
    """Ends a request with an error answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def encode(value: object) -> bytes:
    """The one JSON form of the API."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def error(
    status: int,
    code: str,
    message: str,
    *,
    fields: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> ApiError:
    """An `ApiError` of the API's shape; `fields` says what is wrong with which value."""
    content: dict[str, Any] = {"code": code, "message": message}
    if fields is not None:
        content["fields"] = dict(fields)
    return ApiError(Answer(status, {"error": content}, headers))


def not_found() -> ApiError:
    return error(404, "not_found", "No such resource.")


def method_not_allowed(allowed: str) -> ApiError:
    return error(405, "method_not_allowed", "The method is not allowed here.", headers={"Allow": allowed})


def invalid(fields: Mapping[str, str]) -> ApiError:
    return error(400, "invalid", "Some values are invalid.", fields=fields)


def internal_error() -> ApiError:
    return error(500, "internal_error", "Something went wrong.")
