"""The admin API's own error responses: RFC 9457 problem documents."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import JSONResponse

PROBLEM = "application/problem+json"


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """A response with `status`, for the reason in `detail`."""
    document = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return JSONResponse(document, status, headers, PROBLEM)


class Refused(Exception):
    """A request that is refused with `status`; the message is the reason, `error` that of RFC 6750 section 3.1."""

    def __init__(self, status: int, reason: str, error: str = "") -> None:
        super().__init__(reason)
        self.status = status
        self.error = error

    def headers(self) -> dict[str, str] | None:
        """The challenge, where credentials would have helped."""
        if self.status not in (401, 403) or (self.status == 403 and not self.error):
            return None
        return {"WWW-Authenticate": "Bearer" + (f' error="{self.error}"' if self.error else "")}
