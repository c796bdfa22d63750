"""Both ends of a gateway, the client's and the upstream's, as plain sockets in the hands of one thread.

Nothing is read or answered behind a test's back: `until` reads whatever arrives
at either end until a condition holds, and every byte stays in `received`.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import time
from collections.abc import Callable
from types import TracebackType

DEADLINE = 8.0


class End:
    """One end of a TCP connection; `ended` once the other side has closed or reset it."""

    def __init__(self, connection: socket.socket, number: int) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = connection
        self.number = number
        self.received = bytearray()
        self.ended = False
        self.was_reset = False

    def __repr__(self) -> str:
        return f"<{self.number}: {bytes(self.received)!r}{' reset' if self.was_reset else ' end' * self.ended}>"

    def send(self, data: bytes, *, in_pieces: bool = False) -> None:
        """Send `data`, in pieces of one byte if so told; an end that the gateway has closed is no error."""
        pieces = [data[place : place + 1] for place in range(len(data))] if in_pieces else [data]
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for piece in pieces:
                self.socket.sendall(piece)

    def finish_sending(self) -> None:
        """Say that nothing more comes, and go on reading."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Have the connection reset when it is closed."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    def take(self) -> bytes:
        """What has arrived since the last call."""
        taken = bytes(self.received)
        self.received.clear()
        return taken


class Wire:
    """An upstream that listens at `port`, and the clients that a test opens.

    `upstreams` are the connections that the gateway has opened, in order;
    `latest` is the one at which bytes arrived last.
    """

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listening, selectors.EVENT_READ, None)
        self.port: int = self._listening.getsockname()[1]
        self.upstreams: list[End] = []
        self.latest: End | None = None
        self.clients: list[End] = []

    def __enter__(self) -> Wire:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close_clients()
        self.close_upstreams()
        self._selector.close()
        self._listening.close()

    def client(self, port: int) -> End:
        """A new connection to 127.0.0.1:`port`."""
        end = End(socket.create_connection(("127.0.0.1", port), timeout=DEADLINE), len(self.clients) + 1)
        self._selector.register(end.socket, selectors.EVENT_READ, end)
        self.clients.append(end)
        return end

    def hang_up(self, end: End) -> None:
        """Close an end; what still arrives there is lost."""
        if end.socket.fileno() >= 0:
            with contextlib.suppress(KeyError):
                self._selector.unregister(end.socket)
            end.socket.close()

    def close_clients(self) -> None:
        """Hang up every client's end."""
        for end in self.clients:
            self.hang_up(end)
        self.clients.clear()

    def close_upstreams(self) -> None:
        """Hang up every upstream's end."""
        for end in self.upstreams:
            self.hang_up(end)
        self.upstreams.clear()
        self.latest = None

    def until(self, condition: Callable[[], bool], what: str, deadline: float = DEADLINE) -> None:
        """Read at all ends until `condition` holds; fails, naming `what`, after `deadline` seconds."""
        if not self.is_reached(condition, deadline):
            raise AssertionError(f"waited in vain for {what}: clients {self.clients}, upstreams {self.upstreams}")

    def is_reached(self, condition: Callable[[], bool], deadline: float) -> bool:
        """Whether `condition` comes to hold within `deadline` seconds."""
        end = time.monotonic() + deadline
        while not condition():
            left = end - time.monotonic()
            if left <= 0:
                return False
            for key, _ in self._selector.select(left):
                self._read(key.data)
        return True

    def _read(self, end: End | None) -> None:
        if end is None:
            connection, _ = self._listening.accept()
            connection.settimeout(DEADLINE)
            end = End(connection, len(self.upstreams) + 1)
            self._selector.register(connection, selectors.EVENT_READ, end)
            self.upstreams.append(end)
            return
        try:
            data = end.socket.recv(65_536)
        except ConnectionResetError:
            data = b""
            end.was_reset = True
        if data:
            end.received += data
            if end not in self.clients:
                self.latest = end
        else:
            end.ended = True
            self._selector.unregister(end.socket)
