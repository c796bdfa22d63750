"""How much of a stream the kernel may hold between two ends that the gateway connects.

Receive buffers grow on their own up to the third number of
/proc/sys/net/ipv4/tcp_rmem, send buffers up to that of tcp_wmem (tcp(7)); these
differ much from machine to machine. There are two connections, so two of each.
"""

from __future__ import annotations

from pathlib import Path

MIB = 2**20


def _largest(name: str) -> int:
    return int(Path("/proc/sys/net/ipv4", name).read_text().split()[2])


HELD_BY_THE_KERNEL = 2 * (_largest("tcp_rmem") + _largest("tcp_wmem"))
"""Bytes, at the most."""

ENDLESS = (HELD_BY_THE_KERNEL // MIB + 16) * MIB
"""So many bytes, a whole number of MiB, can't be sent while nobody reads, unless somebody else gathers them."""
