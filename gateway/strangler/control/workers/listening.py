"""The listening sockets: opened, or taken over from the workers that an earlier control process has left."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass

import structlog

from strangler.control.workers.runtime_folder import AddressOccupied, FormerWorker, RuntimeFolder, runtime_root
from strangler.model.listener import Listener
from strangler.proxy.plane import BACKLOG
from strangler.proxy.rate_limits.shared_buckets import new_tally

log = structlog.get_logger(part="control")


@dataclass(frozen=True, slots=True)
class Listening:
    """What all workers share: the socket at which clients connect, and the table of rate limits.

    `former` have both already. `folder` is where workers hand them over, if
    anywhere.
    """

    socket: socket.socket
    tally: int
    folder: RuntimeFolder | None
    former: list[FormerWorker]


def open_listening(address: Listener) -> Listening:
    """The socket for clients; raises OSError where somebody else has the address."""
    folder = _claim(address)
    shared, former = folder.take_over() if folder is not None else ((), [])
    if not shared:
        return Listening(listen(address), new_tally(), folder, former)
    taken = socket.socket(fileno=shared[0])
    taken.setblocking(False)
    return Listening(taken, shared[1], folder, former)


def listen(address: Listener) -> socket.socket:
    """A listening TCP socket at `address`; raises OSError where it is taken."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listening = socket.create_server((address.host, address.port), family=family, backlog=BACKLOG)
    listening.setblocking(False)
    return listening


def address_of(listening: socket.socket) -> str:
    """Where a socket listens, with the port that it got."""
    host, port, *_ = listening.getsockname()
    return str(Listener(host, port))


def _claim(address: Listener) -> RuntimeFolder | None:
    if address.port == 0:
        # Another port at each start: nothing to take over.
        return None
    try:
        return RuntimeFolder(runtime_root(os.environ), address)
    except AddressOccupied:
        raise
    except OSError as error:
        log.warning("no runtime folder, so workers can't be taken over at the next start", error=str(error))
        return None
