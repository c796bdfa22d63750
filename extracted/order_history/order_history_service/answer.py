"""What the service answers: compact JSON, the same headers on everything, errors of one shape."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.types import Receive, Scope, Send

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
        await send({"type": "http.response.start", "status": self.status, "headers": list(self.headers)})
        body = b"" if scope["method"] == "HEAD" else self.body
        await send({"type": "http.response.body", "body": body})


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


def unauthorized() -> ApiError:
    return error(401, "unauthorized", "Authentication is required.", headers={"WWW-Authenticate": "Bearer"})


def invalid_token() -> ApiError:
    return error(
        401,
        "invalid_token",
        "The access token is invalid or expired.",
        headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
    )


def behind() -> ApiError:
    """What the caller knows of has not arrived here yet."""
    return error(503, "behind", "The history is not that far yet.", headers={"Retry-After": "1"})


def internal_error() -> ApiError:
    return error(500, "internal_error", "Something went wrong.")


def no_keys() -> ApiError:
    """The only answer that the monolith has not: it can't lack its keys, and this service may not guess."""
    return error(503, "unavailable", "Access tokens cannot be checked now.", headers={"Retry-After": "5"})
