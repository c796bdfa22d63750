"""The cookie that keeps a new visitor on its side, and which responses may carry it.

Facts: browsers take SameSite=None and Partitioned (CHIPS) on Secure cookies
alone, and Secure ones over https. A shared cache may keep a response with
explicit freshness, or with Last-Modified, unless it is private or no-store
(RFC 9111 sections 3 and 4.2.2), and gives it to others with its Set-Cookie:
all of them would then be one visitor.
"""

from __future__ import annotations

import re

from strangler.model.listener import VisitorCookie
from strangler.routing.split import VISITOR_COOKIE

VISITOR_LIFETIME = 31_536_000

# Responses to other methods are stored only with unusual directives, and never by the caches in use.
_KEPT_METHODS = frozenset({"GET", "HEAD"})
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_NEVER_SHARED = frozenset({"private", "no-store"})
_SHARED_ALL_THE_SAME = frozenset({"public", "s-maxage", "must-revalidate"})
# RFC 9213: those for caches in front of the gateway outrank Cache-Control there.
_TARGETED = re.compile(rb"(?:[a-z0-9-]+-)?cdn-cache-control|surrogate-control")


def visitor_cookie(settings: VisitorCookie, visitor: str, *, secure: bool) -> bytes:
    """The line that sets the cookie for `visitor`, who has asked over https where `secure`."""
    same_site, attributes = settings.same_site.capitalize(), ""
    if secure:
        attributes = "; Secure; Partitioned" if settings.partitioned else "; Secure"
    elif same_site == "None":
        # Browsers would take no None that is not Secure, and no Secure over http.
        same_site = "Lax"
    text = f"Set-Cookie: {VISITOR_COOKIE}={visitor}; Path=/; Max-Age={VISITOR_LIFETIME}; HttpOnly; SameSite={same_site}"
    return f"{text}{attributes}\r\n".encode("ascii")


def may_be_shared(method: str, fields: bytes, *, authorized: bool) -> bool:
    """Whether a shared cache may keep a response with these `fields`; `authorized` tells of Authorization."""
    if method not in _KEPT_METHODS:
        return False
    said: set[str] = set()
    targeted = fresh = modified = False
    for line in fields.split(b"\r\n"):
        name, _, value = line.partition(b":")
        lower = name.lower()
        if lower == b"cache-control":
            said |= _directives(value)
        elif lower == b"expires":
            fresh = True
        elif lower == b"last-modified":
            modified = True
        elif _TARGETED.fullmatch(lower):
            targeted = targeted or not _directives(value) & _NEVER_SHARED
    if targeted:
        return True
    if said & _NEVER_SHARED or (authorized and not said & _SHARED_ALL_THE_SAME):
        return False
    return bool(said) or fresh or modified


def made_private(fields: bytes) -> bytes:
    """`fields` with a Cache-Control by which no shared cache keeps the response, and browsers may as before."""
    kept: list[bytes] = []
    said: list[bytes] = []
    for line in fields.split(b"\r\n")[:-1]:
        name, _, value = line.partition(b":")
        lower = name.lower()
        if lower == b"cache-control":
            said += [part for part in _split(value) if _name_of(part) not in ("public", "s-maxage", "private")]
        elif not _TARGETED.fullmatch(lower):
            kept += (line, b"\r\n")
    return b"".join((*kept, b"Cache-Control: ", b", ".join((b"private", *said)), b"\r\n"))


def _split(value: bytes) -> list[bytes]:
    """The directives of a Cache-Control field; commas also stand in quoted strings."""
    text = value.decode("latin-1")
    hidden = _QUOTED.sub(lambda match: "x" * len(match[0]), text)
    parts, start = [], 0
    for end in (*(place for place, character in enumerate(hidden) if character == ","), len(text)):
        parts.append(text[start:end].strip(" \t").encode("latin-1"))
        start = end + 1
    return [part for part in parts if part]


def _name_of(directive: bytes) -> str:
    return directive.partition(b"=")[0].strip(b" \t").lower().decode("latin-1")


def _directives(value: bytes) -> set[str]:
    """The names of the directives; one that is qualified by fields (`private="x"`) does not count as the plain one."""
    return {
        _name_of(part) if b"=" not in part or _name_of(part) not in _NEVER_SHARED else f"{_name_of(part)}="
        for part in _split(value)
    }
