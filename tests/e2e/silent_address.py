"""An address at which nobody answers: its kernel drops what asks for a connection."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator


@contextlib.contextmanager
def silent_address(host: str, port: int) -> Iterator[None]:
    """Have connections to `host`:`port` neither accepted nor refused: the queue of the listening socket is full."""
    with contextlib.ExitStack() as sockets:
        listening = sockets.enter_context(socket.socket())
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(0)
        while True:
            filling = sockets.enter_context(socket.socket())
            filling.settimeout(0.3)
            try:
                filling.connect((host, port))
            except TimeoutError:
                break
        yield
