"""Verified callers, cached by their credentials: bounded in number and in memory.

Callers choose how long their tokens are, as far as their issuer lets them, and
claims of few bytes (`[[],[],[]]`) take many once they are read.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from cachetools import LRUCache

from strangler.auth.identity import Identity

REMEMBERED_BYTES = 67_108_864
"""The maximum memory for the callers of one provider in one worker."""
_ENTRY = 512


class RememberedCallers(LRUCache[bytes, Identity]):
    """At most `count` callers, and REMEMBERED_BYTES of them; the least recently seen go first."""

    def __init__(self, count: int, memory: int = REMEMBERED_BYTES) -> None:
        super().__init__(memory, self._size)
        self._count = count
        self._memory = memory

    def remember(self, credentials: bytes, identity: Identity) -> None:
        """Keep `identity`, unless it alone is larger than all may be."""
        if self._count and self._size(identity) + len(credentials) <= self._memory:
            while len(self) >= self._count:
                self.popitem()
            self[credentials] = identity

    def _size(self, identity: Identity) -> int:
        # The credentials are about as long as the claims in JSON, which take more than that once they are read.
        return _ENTRY + 2 * memory_of(identity.claims) + len(identity.header_lines)


def memory_of(value: Any) -> int:
    """Bytes that a value read from JSON takes."""
    size = sys.getsizeof(value)
    if isinstance(value, Mapping):
        size += sum(memory_of(key) + memory_of(held) for key, held in value.items())
    elif isinstance(value, list):
        size += sum(map(memory_of, value))
    return size
