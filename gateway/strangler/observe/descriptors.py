"""File descriptors: how many a process may have, how many it needs, and whether any is left.

Facts: a process starts with a soft limit, often 1,024, which it may raise to
the hard limit (setrlimit(2)). While none is left, libuv accepts and closes
connections without reporting that, so `any_left` has to try.
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
"""More is useless, and some systems have a hard limit of a thousand million."""
OF_PROCESS = 64
"""For logs, sockets to the control process, the event loop and libraries."""
EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE})


@dataclass(frozen=True, slots=True)
class DescriptorLimits:
    """The limits of this process, after the soft one was raised."""

    soft: int
    hard: int


def raise_limit() -> DescriptorLimits:
    """Raise the soft limit of this process and its children as far as possible."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = LARGEST_LIMIT if hard == resource.RLIM_INFINITY else min(hard, LARGEST_LIMIT)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        soft = most
    if soft == resource.RLIM_INFINITY:
        soft = LARGEST_LIMIT
    return DescriptorLimits(soft, LARGEST_LIMIT if hard == resource.RLIM_INFINITY else hard)


def needed(snapshot: Snapshot) -> int:
    """The descriptors that a worker needs for all connections that `snapshot` allows.

    Each client connection may need one to an endpoint, and idle ones are kept beside those.
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
    """Whether descriptors have run out, by `error`; a resolver's error does not name that cause, so this tries."""
    return error.errno in EXHAUSTED or (isinstance(error, socket.gaierror) and not any_left())
