"""File descriptors: how many a process may have, how many it needs, and whether any is left.

Facts: a process starts with a soft limit, often 1,024, that it may raise to the
hard limit itself (setrlimit(2)). libuv accepts and closes connections by itself
while none is left, and reports nothing; so whether any is left has to be tried.
"""

from __future__ import annotations

import errno
import os
import resource
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from strangler.model.snapshot import Snapshot

LARGEST_LIMIT = 1_048_576
"""More is of no use, and some systems have a hard limit of a thousand million."""
OF_PROCESS = 64
"""For logs, sockets to the control process, the event loop and libraries."""
EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE})


@dataclass(frozen=True, slots=True)
class DescriptorLimits:
    """The limits of this process, after the soft one was raised."""

    soft: int
    hard: int


def raise_limit() -> DescriptorLimits:
    """Raise the soft limit of this process, and of those that it starts, as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = LARGEST_LIMIT if hard == resource.RLIM_INFINITY else min(hard, LARGEST_LIMIT)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        soft = most
    if soft == resource.RLIM_INFINITY:
        soft = LARGEST_LIMIT
    return DescriptorLimits(soft, LARGEST_LIMIT if hard == resource.RLIM_INFINITY else hard)


def needed(snapshot: Snapshot) -> int:
    """The descriptors of a worker that has all connections which `snapshot` allows.

    Each client connection may use one to an endpoint, and others are kept idle.
    """
    idle = sum(len(one.endpoints) * one.idle_connections for one in snapshot.upstreams.values())
    busy = sum(len(one.endpoints) * one.connections for one in snapshot.upstreams.values())
    clients = snapshot.limits.connections
    return OF_PROCESS + clients + min(busy, clients + idle)


def any_left() -> bool:
    """Whether this process can open another descriptor."""
    try:
        os.close(os.open("/", os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        return error.errno not in EXHAUSTED
    return True


def is_exhaustion(error: OSError) -> bool:
    """Whether `error` comes of descriptors that have run out; a resolver does not say so itself."""
    return error.errno in EXHAUSTED or (isinstance(error, socket.gaierror) and not any_left())
