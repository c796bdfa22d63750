"""Ports for servers that have to be told theirs before they start.

A port that the kernel gave and that was closed again may be anybody's a moment
later: a server's that another test starts, or the near end of a connection. So
these lie below those that the kernel gives by itself, and each test process
has a range of its own, in which it goes round.
"""

from __future__ import annotations

import os
import socket
from itertools import cycle

FIRST = 10_000
EACH = 1_000
RANGES = 20
"""Up to 30,000; Linux gives ports from 32,768 on by itself unless told otherwise (ip_local_port_range)."""


def _own_range() -> list[int]:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    number = int(worker.removeprefix("gw")) % RANGES if worker else os.getpid() % RANGES
    ports = list(range(FIRST + number * EACH, FIRST + (number + 1) * EACH))
    # Two runs of the tests at once do not go through it side by side.
    start = os.getpid() % EACH
    return ports[start:] + ports[:start]


_candidates = cycle(_own_range())


def free_ports(count: int) -> list[int]:
    """`count` different loopback ports that nobody listens on."""
    found: list[int] = []
    for _ in range(EACH):
        if len(found) == count:
            break
        port = next(_candidates)
        if _is_free(port):
            found.append(port)
    assert len(found) == count, "too few ports are free"
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: what is left of closed connections is in nobody's way.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
