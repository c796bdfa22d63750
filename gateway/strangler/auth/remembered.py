"""Verified callers, cached by their credentials: bounded in number and in memory.

Callers choose how long their tokens are, as far as their issuer lets them, and
claims of few bytes (`[[],[],[]]`) take many once they are read.

The callers are in two generations. A full generation becomes the older one, whose
callers move to the newer one as they come again; the rest is forgotten with the
next. So a hit is one look-up, where a list in order of use costs ten times that.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from strangler.auth.identity import Identity

REMEMBERED_BYTES = 67_108_864
"""The maximum memory for the callers of one provider in one worker."""
_ENTRY = 512


class RememberedCallers:
    """At least the last `count` callers, at most twice as many, and `memory` bytes of them."""

    __slots__ = ("_count", "_free", "_memory", "_newer", "_older")

    def __init__(self, count: int, memory: int = REMEMBERED_BYTES) -> None:
        self._count = count
        # Of one generation.
        self._memory = memory // 2
        self._free = self._memory
        self._newer: dict[bytes, Identity] = {}
        self._older: dict[bytes, Identity] = {}

    def __len__(self) -> int:
        return len(self._newer) + len(self._older)

    def get(self, credentials: bytes) -> Identity | None:
        """The caller with these credentials, if it is remembered."""
        identity = self._newer.get(credentials)
        if identity is None and self._older:
            identity = self._older.pop(credentials, None)
            if identity is not None:
                self.remember(credentials, identity)
        return identity

    def remember(self, credentials: bytes, identity: Identity) -> None:
        """Keep `identity`, unless it alone is larger than a generation may be."""
        # The credentials are about as long as the claims in JSON, which take more than that once they are read.
        size = _ENTRY + 2 * memory_of(identity.claims) + len(identity.header_lines)
        if not self._count or size + len(credentials) > self._memory:
            return
        if len(self._newer) >= self._count or size > self._free:
            self._older = self._newer
            self._newer = {}
            self._free = self._memory
        self._newer[credentials] = identity
        self._free -= size

    def forget(self, credentials: bytes) -> None:
        """Forget the caller with these credentials."""
        self._newer.pop(credentials, None)
        self._older.pop(credentials, None)

    def forget_subjects(self, subjects: frozenset[str]) -> None:
        """Forget all callers with these subjects."""
        for generation in (self._newer, self._older):
            for key in [key for key, identity in generation.items() if identity.subject in subjects]:
                del generation[key]


def memory_of(value: Any) -> int:
    """Bytes that a value read from JSON takes."""
    size = sys.getsizeof(value)
    if isinstance(value, Mapping):
        size += sum(memory_of(key) + memory_of(held) for key, held in value.items())
    elif isinstance(value, list):
        size += sum(map(memory_of, value))
    return size
