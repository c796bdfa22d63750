"""A connection to one of several addresses, without waiting for unresponsive ones.

Facts (RFC 8305): the addresses of a name are tried one after another, the
families alternating. The next attempt starts when the previous one fails, or in
parallel after 250 ms without a result. The first established connection is used
and the other attempts are cancelled, so an unresponsive address costs a quarter
of a second and not the whole deadline.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import cast

from strangler.observe.descriptors import EXHAUSTED

ATTEMPT_DELAY = 0.25
AVOIDED = 60.0
"""Seconds for which an address that failed or was unresponsive is tried after the others."""

Address = tuple[int, tuple[str, int] | tuple[str, int, int, int]]
"""The family of an address, and the argument of socket.connect."""


async def addresses_of(loop: asyncio.AbstractEventLoop, host: str, port: int) -> list[Address]:
    """Return a name's addresses in the resolver's order, families alternating; raises OSError if there are none."""
    resolved = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = dict.fromkeys((int(family), cast(tuple[str, int], address)) for family, _, _, _, address in resolved)
    return in_turn(list(addresses))


def in_turn(addresses: Sequence[Address]) -> list[Address]:
    """Return `addresses` with families alternating, beginning with that of the first (RFC 8305 section 4)."""
    first = addresses[0][0] if addresses else 0
    pairs = zip_longest(
        [address for address in addresses if address[0] == first],
        [address for address in addresses if address[0] != first],
    )
    return [address for pair in pairs for address in pair if address is not None]


async def connect_first(
    loop: asyncio.AbstractEventLoop,
    addresses: Sequence[Address],
    failed: Callable[[int], None],
) -> tuple[socket.socket, int]:
    """Return a connected socket, and the index of its address in `addresses`.

    `failed` is called with the index of each address that refused, or was silent
    until an address tried after it connected. Raises OSError if no address
    accepts, and at once if no descriptor is left.
    """
    attempts: dict[asyncio.Task[socket.socket], int] = {}
    last: OSError | None = None
    late: set[int] = set()
    try:
        for place in range(len(addresses)):
            attempts[loop.create_task(_connect(loop, addresses[place]))] = place
            more = place + 1 < len(addresses)
            while attempts:
                done, _ = await asyncio.wait(
                    attempts, timeout=ATTEMPT_DELAY if more else None, return_when=asyncio.FIRST_COMPLETED
                )
                error = _take_failures(done, attempts, failed)
                last = error or last
                if error is not None and error.errno in EXHAUSTED:
                    raise error
                winner = next((task for task in done if task.exception() is None), None)
                if winner is not None:
                    for silent in late - {attempts[winner]}:
                        failed(silent)
                    connected = attempts.pop(winner)
                    return winner.result(), connected
                if not done:
                    late.update(attempts.values())
                if more:
                    break
    finally:
        await _give_up(attempts)
    raise last or OSError("there is no address to connect to")


def _take_failures(
    done: set[asyncio.Task[socket.socket]],
    attempts: dict[asyncio.Task[socket.socket], int],
    failed: Callable[[int], None],
) -> OSError | None:
    """Remove the failed ones from `attempts`; return the error of one of them."""
    failure: OSError | None = None
    for task in done:
        error = task.exception()
        if error is None:
            continue
        if not isinstance(error, OSError):
            raise error
        place = attempts.pop(task)
        if error.errno not in EXHAUSTED:
            failed(place)
            failure = failure or error
        else:
            failure = error
    return failure


async def _connect(loop: asyncio.AbstractEventLoop, address: Address) -> socket.socket:
    connection = socket.socket(address[0], socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await loop.sock_connect(connection, address[1])
    except BaseException:
        connection.close()
        raise
    return connection


async def _give_up(attempts: dict[asyncio.Task[socket.socket], int]) -> None:
    for task in attempts:
        task.cancel()
    # This includes sockets that connected at the same moment as another one.
    for result in await asyncio.gather(*attempts, return_exceptions=True):
        if isinstance(result, socket.socket):
            result.close()
