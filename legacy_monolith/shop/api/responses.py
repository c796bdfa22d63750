"""JSON responses, and the errors of the API."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.http import HttpResponse

from shop.middleware import entity_tag

# code: (status, message)
_ERRORS: dict[str, tuple[int, str]] = {
    "malformed": (400, "The body is not a JSON object."),
    "invalid": (400, "Some values are invalid."),
    "unauthorized": (401, "Authentication is required."),
    "invalid_token": (401, "The access token is invalid or expired."),
    "invalid_credentials": (401, "Wrong name or password."),
    "insufficient_scope": (403, "The access token lacks a scope."),
    "not_found": (404, "No such resource."),
    "method_not_allowed": (405, "The method is not allowed here."),
    "out_of_stock": (409, "Not enough stock."),
    "not_payable": (409, "The order cannot be paid."),
    "too_large": (413, "The body is larger than 65536 bytes."),
    "unsupported_media_type": (415, "The body must be application/json."),
    "internal_error": (500, "Something went wrong."),
}


class ApiError(Exception):
    """Ends a request with one of the errors of API.md; `headers` go onto the response."""

    def __init__(
        self, code: str, fields: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(code)
        self.code = code
        self.fields = fields
        self.headers = headers or {}

    def response(self) -> HttpResponse:
        """The error as a response."""
        status, message = _ERRORS[self.code]
        error: dict[str, Any] = {"code": self.code, "message": message}
        if self.fields is not None:
            error["fields"] = dict(self.fields)
        return json_response({"error": error}, status=status, headers=self.headers)


def json_response(
    payload: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> HttpResponse:
    """A JSON response that nobody stores."""
    body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
    response = HttpResponse(body, status=status, content_type="application/json")
    response.headers["Cache-Control"] = "no-store"
    for name, value in (headers or {}).items():
        response.headers[name] = value
    return response


def cacheable_json_response(payload: object, cache_control: str = "no-cache") -> HttpResponse:
    """A tagged JSON response, which the caller may keep and revalidate."""
    response = json_response(payload, headers={"Cache-Control": cache_control})
    response.headers["ETag"] = entity_tag(response.content)
    return response


def timestamp(moment: datetime) -> str:
    """A moment as the API writes it: UTC, cut to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
