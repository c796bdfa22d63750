"""How the listening socket outlives the control process: workers hand it to the next one.

Each worker listens on a Unix socket in the runtime folder. The process that
connects is the control process from then on: it receives the descriptors that
all workers share (SCM_RIGHTS, unix(7)), and the connection is the worker's link
to it. So the port stays open, and no waiting connection is lost, whatever ended
the control process before. Only processes of the same user are accepted.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

GREETING = b"1"

_CREDENTIALS = struct.Struct("iII")


class SharedDescriptors(NamedTuple):
    """What a worker hands over: the listening socket, and the table of rate limits."""

    listening: int
    tally: int


class Handover:
    """The worker's side: hands `descriptors` to the next control process; `on_link` gets the connection to it."""

    def __init__(self, folder: Path, descriptors: SharedDescriptors, on_link: Callable[[socket.socket], None]) -> None:
        self._path = socket_path(folder, os.getpid())
        self._descriptors = descriptors
        self._on_link = on_link
        self._path.unlink(missing_ok=True)
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(self._path))
        self._path.chmod(0o600)
        self._listening.listen()
        self._listening.setblocking(False)
        self._serving = asyncio.create_task(self._serve())

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            link, _ = await loop.sock_accept(self._listening)
            if peer_of(link)[1] != os.geteuid():
                link.close()
                continue
            try:
                socket.send_fds(link, [GREETING], self._descriptors)
            except OSError:
                # It is gone already; the next control process that connects gets them.
                link.close()
                continue
            self._on_link(link)

    def close(self) -> None:
        """Accept no control process any more."""
        self._serving.cancel()
        self._listening.close()
        self._path.unlink(missing_ok=True)


def socket_path(folder: Path, pid: int) -> Path:
    """Where the worker `pid` accepts a control process."""
    return folder / f"{pid}.sock"


def peer_of(connection: socket.socket) -> tuple[int, int]:
    """The process and the user at the other end (SO_PEERCRED, unix(7))."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, user, _ = _CREDENTIALS.unpack(credentials)
    return pid, user
