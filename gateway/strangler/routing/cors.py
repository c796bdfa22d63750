"""Cross-origin requests of web pages: the gateway's response to a preflight, and the fields of other responses.

Facts (Fetch standard, sections 3.2 and 4.8): before a page of another origin
sends anything but a simple request, its browser sends OPTIONS with Origin and
Access-Control-Request-Method, without credentials, so this comes before any
token is verified. A response names one origin or `*`; with credentials it must
be the one. It depends on Origin, which caches learn from Vary.
"""

from __future__ import annotations

import re

from strangler.model.changes import Cors
from strangler.routing.request import Request

_NAMES = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:[ \t]*,[ \t]*[!#$%&'*+.^_`|~0-9A-Za-z-]+)*")
_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")


def asked_method(request: Request) -> str | None:
    """The method that a preflight is about; None if `request` is not a preflight."""
    if request.method != "OPTIONS" or request.header("Origin") is None:
        return None
    return request.header("Access-Control-Request-Method")


def allows(cors: Cors, origin: str) -> bool:
    """Whether pages of `origin` may send requests."""
    if cors.any_origin or origin in cors.origins:
        return True
    return any(
        origin.startswith(scheme)
        and origin.endswith(suffix)
        and _HOST.fullmatch(origin[len(scheme) : -len(suffix)]) is not None
        for scheme, suffix in cors.suffixes
    )


def preflight_fields(cors: Cors, request: Request, method: str) -> bytes | str:
    """The fields of the response to a preflight for `method`, or why it is refused."""
    origin = request.header("Origin") or ""
    if not allows(cors, origin):
        return "Pages of this origin are not allowed to send requests here."
    if method not in cors.methods:
        return f"Pages of other origins are allowed to send {', '.join(cors.methods)} here."
    lines = _origin_lines(cors, origin)
    lines.append(f"Access-Control-Allow-Methods: {', '.join(cors.methods)}")
    asked = request.header("Access-Control-Request-Headers") or ""
    if cors.headers is None:
        # With credentials, browsers take a star literally.
        if _NAMES.fullmatch(asked):
            lines.append(f"Access-Control-Allow-Headers: {asked}")
    elif cors.headers:
        lines.append(f"Access-Control-Allow-Headers: {', '.join(cors.headers)}")
    lines.append(f"Access-Control-Max-Age: {cors.max_age}")
    lines.append("Vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers")
    return _block(lines)


def response_fields(cors: Cors, request: Request) -> bytes:
    """The fields of any other response, which a page of another origin may then read or not."""
    origins = request.header_values("Origin")
    lines = []
    if len(origins) == 1 and allows(cors, origins[0]):
        lines = _origin_lines(cors, origins[0])
        if cors.expose:
            lines.append(f"Access-Control-Expose-Headers: {', '.join(cors.expose)}")
    if not cors.any_origin:
        lines.append("Vary: Origin")
    return _block(lines)


def _origin_lines(cors: Cors, origin: str) -> list[str]:
    lines = [f"Access-Control-Allow-Origin: {'*' if cors.any_origin else origin}"]
    if cors.credentials:
        lines.append("Access-Control-Allow-Credentials: true")
    return lines


def _block(lines: list[str]) -> bytes:
    return "".join(f"{line}\r\n" for line in lines).encode("latin-1")
