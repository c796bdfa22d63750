"""Messages between the gateway's processes: each is a pickle behind its length, four bytes in network order.

A pickle can run any code when it is loaded, so both ends of such a socket must
be this gateway's own processes: a socket pair that a child inherits, or a Unix
socket in a folder that only this user can enter.
"""

from __future__ import annotations

import asyncio
import pickle
import struct
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

_LENGTH = struct.Struct("!I")


def framed(message: object) -> bytes:
    """`message` as it goes over the socket."""
    data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(data)) + data


async def read_message(reader: asyncio.StreamReader, decode: Callable[[bytes], Awaitable[Any]] | None = None) -> Any:
    """The next message, or None when the other end is closed; `decode` takes the place of `pickle.loads`.

    A message that can't be decoded raises; the next call reads the one after it.
    """
    try:
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        data = await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    return pickle.loads(data) if decode is None else await decode(data)


def complete_messages(buffer: bytearray, data: bytes) -> Iterator[Any]:
    """The messages that are complete once `data` is appended to `buffer`, where the incomplete rest stays."""
    buffer += data
    start = 0
    while len(buffer) >= start + _LENGTH.size:
        (length,) = _LENGTH.unpack_from(buffer, start)
        begin = start + _LENGTH.size
        if len(buffer) < begin + length:
            break
        start = begin + length
        with memoryview(buffer) as view:
            message = pickle.loads(view[begin:start])
        yield message
    del buffer[:start]
