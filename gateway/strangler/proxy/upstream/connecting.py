"""A connection to one of several addresses, without waiting for silent ones.

Facts (RFC 8305): the addresses of a name are tried one after another, the
families in turn; while one is silent the next one is tried beside it after 250
ms, or at once where it fails. The first connection that stands is used and the
others are given up, so a silent address costs a quarter of a second and not the
whole deadline.
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
"""Seconds for which an address that failed or was silent is tried after the others."""

Address = tuple[int, tuple[str, int] | tuple[str, int, int, int]]
"""The family of an address, and what the socket is told."""


async def addresses_of(loop: asyncio.AbstractEventLoop, host: str, port: int) -> list[Address]:
    """The addresses of a name, in the order of the resolver but with the families in turn; raises OSError for none."""
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = dict.fromkeys((int(family), cast(tuple[str, int], address)) for family, _, _, _, address in found)
    return in_turn(list(addresses))


def in_turn(addresses: Sequence[Address]) -> list[Address]:
    """`addresses` with families in turn, beginning with that of the first (RFC 8305 section 4)."""
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
    """A connected socket, and the place of its address among `addresses`.

    `failed` is told the places of those that refused, or were silent for so
    long that another one was tried and is connected first. Raises OSError where
    none can be connected to, at once where no descriptor is left.
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
                    found = attempts.pop(winner)
                    return winner.result(), found
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
    """Take those that have failed off `attempts`; the error of one of them."""
    found: OSError | None = None
    for task in done:
        error = task.exception()
        if error is None:
            continue
        if not isinstance(error, OSError):
            raise error
        place = attempts.pop(task)
        if error.errno not in EXHAUSTED:
            failed(place)
            found = found or error
        else:
            found = error
    return found


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
    # Also those that were connected at the same moment as another one.
    for result in await asyncio.gather(*attempts, return_exceptions=True):
        if isinstance(result, socket.socket):
            result.close()
