"""Connection state that only the kernel has: unread received bytes, and sent bytes that are (un)acknowledged.

Facts (RFC 9293 section 3.10.7, tcp(7)): a peer that closes with unread input
sends a reset; what it sent before that is in the receive queue, and Linux allows
reading it even after the reset. The event loop drops a connection when writing
fails, without reading that queue. TIOCOUTQ counts the bytes that the peer's
kernel has not acknowledged, TCP_INFO those that it has, even after a reset.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import select
import socket
import struct
import sys
import termios
from collections.abc import Iterator

READ = 262_144
LARGEST_REST = 8 * 1_048_576
"""Maximum bytes read from a lost connection: more than the receive queue of a common kernel holds (6 MiB)."""


# tcpi_bytes_acked of struct tcp_info (linux/tcp.h, from 4.1 on).
_ACKNOWLEDGED = struct.Struct("=120xQ")


def _descriptor(transport: asyncio.Transport) -> int:
    """Return the descriptor of the connection's socket; -1 if there is none."""
    raw = transport.get_extra_info("socket")
    return -1 if raw is None else int(raw.fileno())


def rest_of(transport: asyncio.Transport) -> Iterator[bytes]:
    """Return the unread input of a lost connection; call it within `connection_lost`."""
    if transport.get_extra_info("ssl_object") is not None:
        # TlsConnection reads and decrypts the records.
        return
    descriptor = _descriptor(transport)
    left = LARGEST_REST
    while descriptor >= 0 and left > 0:
        try:
            data = os.read(descriptor, READ)
        except OSError:
            # End of input: the error is the connection's own, which its protocol has already received.
            return
        if not data:
            return
        left -= len(data)
        yield data


def arrivals(transport: asyncio.Transport) -> select.poll:
    """Its `poll(0)` reports what the event loop has not delivered yet: input, or the end of input."""
    events = select.poll()
    descriptor = _descriptor(transport)
    if descriptor >= 0:
        events.register(descriptor, select.POLLIN)
    return events


def is_reset(transport: asyncio.Transport) -> bool:
    """Return whether the peer has reset the connection; the event loop reports that only while it reads or writes."""
    descriptor = _descriptor(transport)
    if descriptor < 0:
        return False
    events = select.poll()
    events.register(descriptor, 0)
    return bool(events.poll(0))


def unsent(transport: asyncio.Transport) -> int:
    """Return the number of bytes written to `transport` that the peer's kernel is not known to have."""
    waiting = transport.get_write_buffer_size()
    descriptor = _descriptor(transport)
    if descriptor < 0 or sys.platform != "linux":
        return waiting
    try:
        (queued,) = struct.unpack("i", fcntl.ioctl(descriptor, termios.TIOCOUTQ, b"\0\0\0\0"))
    except OSError:
        # A closed connection has no queue.
        return waiting
    return waiting + int(queued)


def acknowledged(transport: asyncio.Transport) -> int | None:
    """Return the total of bytes that the peer's kernel has acknowledged; None if the system does not report it."""
    raw = transport.get_extra_info("socket")
    if raw is None or sys.platform != "linux":
        return None
    try:
        information = raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ACKNOWLEDGED.size)
    except OSError:
        return None
    return int(_ACKNOWLEDGED.unpack(information)[0]) if len(information) == _ACKNOWLEDGED.size else None
