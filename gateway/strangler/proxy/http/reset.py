"""Closing a connection so that the peer detects a failure (the ABORT of RFC 9293 section 3.10.5)."""

from __future__ import annotations

import asyncio
import struct
from socket import SO_LINGER, SOL_SOCKET

_AT_ONCE = struct.pack("ii", 1, 0)


def reset(transport: asyncio.Transport) -> None:
    """Close with a reset; unsent data is lost."""
    raw = transport.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(SOL_SOCKET, SO_LINGER, _AT_ONCE)
    transport.abort()
