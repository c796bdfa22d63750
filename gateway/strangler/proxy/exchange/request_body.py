"""The body of a request on its way: what waits for a connection, and how much of it there may be."""

from __future__ import annotations

import sys

HELD_BODY = 65_536
"""Bytes of a request's body that wait for a connection before the client is asked to wait."""

_NO_LIMIT = sys.maxsize


class RequestBody:
    """Parts, in the framing in which they are sent, that wait for a connection.

    `received` counts the bytes of a chunked body, of which there may be at most
    `limit`; the length of any other is known from the head.
    """

    __slots__ = ("_bytes", "limit", "parts", "received")

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.received = 0
        self.limit: int = _NO_LIMIT
        self._bytes = 0

    def hold(self, part: bytes) -> bool:
        """Keep `part` until there is a connection; whether the client has to wait with more."""
        self.parts.append(part)
        self._bytes += len(part)
        return self._bytes > HELD_BODY

    def take(self) -> list[bytes]:
        """What waits, which is written now."""
        parts = self.parts
        self.parts = []
        self._bytes = 0
        return parts
