"""Responses stored for when the upstream fails: stale-if-error (RFC 5861), bounded in memory.

This is not a cache: while the upstream responds, nothing is served from here.
It stores the responses that a shared cache may serve stale (RFC 9111): a 200 to
GET without `no-store`, `private`, `no-cache`, `must-revalidate`,
`proxy-revalidate` or `s-maxage` (which implies the latter). A response with
`Vary` is served to requests that match in those fields; one with `Vary: *` is
never stored, nor is one that sets a cookie. A response to a client with
Authorization, Cookie or a certificate is stored only if it is `public`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cachetools import LRUCache

from strangler.model.dropped_fields import ADDRESSES, IDENTITY

if TYPE_CHECKING:
    from strangler.model.resilience import Stale

Fields = Sequence[tuple[bytes, bytes]]

OVERHEAD = 512
FIELD_OVERHEAD = 128

_DIRECTIVE = re.compile(rb'([!#$%&\'*+.^_`|~0-9A-Za-z-]+)(?:=(?:"([^"]*)"|([^\s,";]+)))?')
_FORBIDDING = frozenset({b"no-store", b"private", b"no-cache", b"must-revalidate", b"proxy-revalidate", b"s-maxage"})
_SAID_BY_GATEWAY = frozenset(name.encode() for name in IDENTITY | ADDRESSES | {"forwarded", "x-forwarded-for"})
"""Fields in which the gateway identifies the client; the client's own fields differ, so they can't be compared."""
_WRITTEN_ANEW = (b"age", b"content-length")


@dataclass(frozen=True, slots=True)
class Kept:
    """A stored response: its head lines as received, joined; its body; and when it expires."""

    lines: bytes
    body: bytes
    stored: float
    age: int
    until: float
    vary: tuple[tuple[bytes, bytes], ...]
    size: int

    def head(self, now: float) -> bytes:
        """Return the head lines, each ended by CRLF, with the current Age (RFC 9111 section 5.1) and the length."""
        return self.lines + b"Age: %d\r\nContent-Length: %d\r\n" % (
            self.age + int(now - self.stored),
            len(self.body),
        )


class StaleAnswers:
    """The responses that one worker stores for one route; the key is host and request line."""

    __slots__ = ("_kept", "settings")

    def __init__(self, settings: Stale) -> None:
        self.settings = settings
        self._kept: LRUCache[tuple[bytes, bytes], Kept] = LRUCache(settings.memory, lambda kept: kept.size)

    def may_keep(self, method: str, status: int, request: Fields, lines: bytes, *, identified: bool = False) -> bool:
        """Return whether the response may be stored; `identified` means that the client presented credentials."""
        if method != "GET" or status != 200:
            return False
        response = _fields(lines)
        control = directives(response)
        vary = _vary(response)
        if _FORBIDDING & control.keys() or b"*" in vary or vary & _SAID_BY_GATEWAY:
            return False
        if any(name == b"set-cookie" for name, _ in response):
            return False
        personal = identified or any(name.lower() in (b"authorization", b"cookie") for name, _ in request)
        return b"public" in control or not personal

    def keep(self, key: tuple[bytes, bytes], request: Fields, lines: bytes, body: bytes, now: float) -> None:
        """Store a response for which `may_keep` is true."""
        response = _fields(lines)
        control = directives(response)
        age = _seconds(next((value for name, value in response if name == b"age"), b"")) or 0
        fresh = max(0, (_seconds(control.get(b"max-age", b"")) or 0) - age)
        stale = _seconds(control.get(b"stale-if-error", b""))
        head = b"".join(b"%b: %b\r\n" % field for field in _spelled(lines) if field[0].lower() not in _WRITTEN_ANEW)
        vary = tuple((name, _values(request, name)) for name in sorted(_vary(response)))
        # The client chooses the key and the request's fields, which may be longer than the response.
        told = sum(map(len, key)) + sum(len(name) + len(value) + FIELD_OVERHEAD for name, value in vary)
        kept = Kept(
            lines=head,
            body=body,
            stored=now,
            age=age,
            until=now + fresh + (self.settings.if_error if stale is None else stale),
            vary=vary,
            size=len(head) + len(body) + told + OVERHEAD,
        )
        if kept.size <= self.settings.memory:
            self._kept[key] = kept

    def find(self, key: tuple[bytes, bytes], request: Fields, now: float) -> Kept | None:
        """Return the stored response to a request that the upstream failed, or None."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        if kept.until <= now:
            del self._kept[key]
            return None
        if b"no-store" in directives([(name.lower(), value) for name, value in request]):
            return None
        if any(_values(request, name) != value for name, value in kept.vary):
            return None
        return kept


def directives(fields: Fields) -> Mapping[bytes, bytes]:
    """Return the directives of all Cache-Control fields, names in lower case; names in `fields` are lower case too."""
    return {
        name.lower(): quoted or plain
        for field, value in fields
        if field == b"cache-control"
        for name, quoted, plain in _DIRECTIVE.findall(value)
    }


def _spelled(lines: bytes) -> list[tuple[bytes, bytes]]:
    pairs = (line.partition(b":") for line in lines.split(b"\r\n") if line)
    return [(name, value.strip(b" \t")) for name, _, value in pairs]


def _fields(lines: bytes) -> list[tuple[bytes, bytes]]:
    return [(name.lower(), value) for name, value in _spelled(lines)]


def _vary(response: Fields) -> set[bytes]:
    return {
        name.strip(b" \t").lower() for field, value in response if field == b"vary" for name in value.split(b",")
    } - {b""}


def _values(fields: Fields, wanted: bytes) -> bytes:
    return b",".join(value for name, value in fields if name.lower() == wanted)


def _seconds(value: bytes) -> int | None:
    return int(value[:9]) if value.isdigit() else None
