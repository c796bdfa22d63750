"""The gateway's own responses: RFC 9457 problem documents."""

from __future__ import annotations

from email.utils import formatdate

import orjson

from strangler.auth.require import challenge
from strangler.proxy.http.headers import VIA
from strangler.proxy.http.status_lines import STATUS_LINES, title
from strangler.routing.decide import Refusal

ALLOWED = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"


def date_field() -> bytes:
    """Return a Date field with the current time, without CRLF (RFC 9110 section 6.6.1)."""
    return b"Date: " + formatdate(usegmt=True).encode("ascii")


def problem(
    refusal: Refusal,
    request_id: bytes,
    *,
    close: bool,
    head_only: bool = False,
    retry_after: int | None = None,
    fields: bytes = b"",
) -> bytes:
    """Return a whole HTTP/1.1 response with the reason for the refusal, and the request id.

    `head_only` omits the body, for a response to HEAD. `retry_after` is in
    seconds. `fields` are further lines of the head, each ended by CRLF.
    """
    status = refusal.status
    body = orjson.dumps(
        {
            "type": "about:blank",
            "title": title(status),
            "status": status,
            "detail": refusal.detail,
            "request_id": request_id.decode("latin-1"),
        }
    )
    lines = [
        b"Content-Type: application/problem+json",
        b"Content-Length: %d" % len(body),
        b"Cache-Control: no-store",
        date_field(),
        b"X-Request-Id: " + request_id,
        b"Via: " + VIA,
    ]
    if status == 401 or (status == 403 and refusal.error):
        lines.append(b"WWW-Authenticate: " + challenge(refusal.error, refusal.detail, refusal.scopes))
    if status == 405:
        lines.append(b"Allow: " + ALLOWED)
    if retry_after is not None:
        lines.append(b"Retry-After: %d" % retry_after)
    if close:
        lines.append(b"Connection: close")
    head = STATUS_LINES[status] + b"\r\n".join(lines) + b"\r\n" + fields + b"\r\n"
    return head if head_only else head + body


def capabilities(request_id: bytes) -> bytes:
    """Return a whole response to OPTIONS that is not forwarded (RFC 9110 section 9.3.7); the connection closes."""
    lines = (
        b"Allow: " + ALLOWED,
        b"Content-Length: 0",
        date_field(),
        b"X-Request-Id: " + request_id,
        b"Via: " + VIA,
        b"Connection: close",
    )
    return STATUS_LINES[200] + b"\r\n".join(lines) + b"\r\n\r\n"
