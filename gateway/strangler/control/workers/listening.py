"""The listening sockets: opened, or taken over from the workers of an earlier control process."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass

import structlog

from strangler.control.workers.runtime_folder import AddressOccupied, FormerWorker, RuntimeFolder, runtime_root
from strangler.model.listener import ListenAddress
from strangler.proxy.plane import BACKLOG
from strangler.proxy.rate_limits.shared_buckets import new_tally

log = structlog.get_logger(part="control")


@dataclass(frozen=True, slots=True)
class Listening:
    """What all workers share: the socket to which clients connect, and the table of rate limits (`tally`).

    `former` workers have both already. In `folder`, if there is one, workers
    hand both over to the next control process.
    """

    socket: socket.socket
    tally: int
    folder: RuntimeFolder | None
    former: list[FormerWorker]


def open_listening(address: ListenAddress) -> Listening:
    """The socket for clients; raises OSError where the address is in use."""
    folder = _claim(address)
    shared, former = folder.take_over() if folder is not None else (None, [])
    if shared is None:
        return Listening(listen(address), new_tally(), folder, former)
    taken = socket.socket(fileno=shared.listening)
    taken.setblocking(False)
    return Listening(taken, shared.tally, folder, former)


def listen(address: ListenAddress) -> socket.socket:
    """A listening TCP socket at `address`; raises OSError where that is in use."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listening = socket.create_server((address.host, address.port), family=family, backlog=BACKLOG)
    listening.setblocking(False)
    return listening


def address_of(listening: socket.socket) -> str:
    """The address of a listening socket, with the port that the system chose if it was 0."""
    host, port, *_ = listening.getsockname()
    return str(ListenAddress(host, port))


def _claim(address: ListenAddress) -> RuntimeFolder | None:
    if address.port == 0:
        # The system chooses another port at each start, so there is nothing to take over.
        return None
    try:
        return RuntimeFolder(runtime_root(os.environ), address)
    except AddressOccupied:
        raise
    except OSError as error:
        log.warning("no runtime folder, so workers can't be taken over at the next start", error=str(error))
        return None
