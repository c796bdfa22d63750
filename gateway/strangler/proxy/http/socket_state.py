"""What only the kernel knows of a connection: what it has received, what it has sent and the peer not acknowledged.

Facts (RFC 9293 section 3.10.7, tcp(7)): a peer that closes with unread input
sends a reset, and whatever it sent before lies in the receive queue, from which
Linux lets it be read after the reset, too. The event loop drops a connection
when writing fails and does not read what is there. TIOCOUTQ counts the bytes
that the peer's kernel has not acknowledged, TCP_INFO those that it has, also after a reset.
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
"""Maximum bytes that are read of a lost connection: more than the receive queue of a common kernel holds (6 MiB)."""


# tcpi_bytes_acked of struct tcp_info (linux/tcp.h, from 4.1 on).
_ACKNOWLEDGED = struct.Struct("=120xQ")


def _descriptor(transport: asyncio.Transport) -> int:
    """The descriptor of the connection's socket; -1 where there is none."""
    raw = transport.get_extra_info("socket")
    return -1 if raw is None else int(raw.fileno())


def rest_of(transport: asyncio.Transport) -> Iterator[bytes]:
    """Everything that was received on a lost connection and not read; to be asked for within `connection_lost`."""
    if transport.get_extra_info("ssl_object") is not None:
        # The records were read where they are decrypted (TlsConnection).
        return
    descriptor = _descriptor(transport)
    left = LARGEST_REST
    while descriptor >= 0 and left > 0:
        try:
            data = os.read(descriptor, READ)
        except OSError:
            # There is nothing more: the error is that of the connection, which its protocol knows already.
            return
        if not data:
            return
        left -= len(data)
        yield data


def arrivals(transport: asyncio.Transport) -> select.poll:
    """Tells by `poll(0)` what has arrived that the event loop has not handed on yet: bytes, or the peer's end."""
    events = select.poll()
    descriptor = _descriptor(transport)
    if descriptor >= 0:
        events.register(descriptor, select.POLLIN)
    return events


def is_reset(transport: asyncio.Transport) -> bool:
    """Whether the peer has reset the connection; the event loop does not tell while it neither reads nor writes."""
    descriptor = _descriptor(transport)
    if descriptor < 0:
        return False
    events = select.poll()
    events.register(descriptor, 0)
    return bool(events.poll(0))


def unsent(transport: asyncio.Transport) -> int:
    """The bytes written to `transport` that the peer's kernel does not have yet, as far as the system tells."""
    waiting = transport.get_write_buffer_size()
    descriptor = _descriptor(transport)
    if descriptor < 0 or sys.platform != "linux":
        return waiting
    try:
        (queued,) = struct.unpack("i", fcntl.ioctl(descriptor, termios.TIOCOUTQ, b"\0\0\0\0"))
    except OSError:
        # A connection that is over has no queue.
        return waiting
    return waiting + int(queued)


def acknowledged(transport: asyncio.Transport) -> int | None:
    """The bytes that the peer's kernel has acknowledged in all; None where the system does not tell."""
    raw = transport.get_extra_info("socket")
    if raw is None or sys.platform != "linux":
        return None
    try:
        found = raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ACKNOWLEDGED.size)
    except OSError:
        return None
    return int(_ACKNOWLEDGED.unpack(found)[0]) if len(found) == _ACKNOWLEDGED.size else None
