"""Counting distinct values without keeping them.

By HyperLogLog (Flajolet et al. 2007) with 1,024 registers, and by linear
counting while few are set: exact for a handful, right to about 3 % for more, in
1 KiB, and mergeable.
"""

from __future__ import annotations

import math

REGISTERS = 1024
_BITS = 10
_ALPHA = 0.7213 / (1 + 1.079 / REGISTERS)
_REST = 1 << (64 - _BITS)
_HIGH_BITS = int.from_bytes(b"\x80" * REGISTERS)


class Sketch:
    """Counts distinct 64-bit digests."""

    __slots__ = ("registers",)

    def __init__(self, registers: bytes = bytes(REGISTERS)) -> None:
        self.registers = bytearray(registers)

    def add(self, digest: int) -> bool:
        """Count `digest`; whether anything changed."""
        place = digest & (REGISTERS - 1)
        rest = digest >> _BITS | _REST
        rank = (rest & -rest).bit_length()
        if self.registers[place] >= rank:
            return False
        self.registers[place] = rank
        return True

    def merge(self, other: bytes | bytearray) -> None:
        """Count what another sketch has counted, too."""
        self.registers = bytearray(_greater(self.registers, other))

    def count(self) -> int:
        """About how many there were."""
        estimate = _ALPHA * REGISTERS**2 / sum(2.0**-rank for rank in self.registers)
        unset = self.registers.count(0)
        if unset and estimate <= 2.5 * REGISTERS:
            estimate = REGISTERS * math.log(REGISTERS / unset)
        return round(estimate)


def _greater(one: bytes | bytearray, other: bytes | bytearray) -> bytes:
    """Of each two registers the greater one: of all at once, since no register reaches 128."""
    ours, theirs = int.from_bytes(one), int.from_bytes(other)
    not_less = ((ours | _HIGH_BITS) - theirs & _HIGH_BITS) >> 7
    mask = (not_less << 8) - not_less
    return (ours & mask | theirs & ~mask).to_bytes(REGISTERS)
