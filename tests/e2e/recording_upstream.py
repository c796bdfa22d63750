"""An upstream that records every request byte for byte and answers as a test has scripted.

One thread a connection, plain sockets: what the gateway sends and when it hangs
up is seen as it is. A script is a function that gets the `Call`; without one
for the path, the answer is a short JSON document that names the upstream.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.e2e.raw_http import BrokenMessage, Fields, Reader, parse_head, values
from tests.e2e.waiting import wait_for

PATIENCE = 60.0


@dataclass(frozen=True)
class Received:
    """A request as it came in; `connection` is the number of the connection that it came on, from 1."""

    line: bytes
    fields: Fields
    body: bytes
    connection: int
    head: bytes

    @property
    def method(self) -> bytes:
        """The method."""
        return self.line.split(b" ")[0]

    @property
    def target(self) -> bytes:
        """The request target, as sent."""
        return self.line.split(b" ")[1]

    def values(self, name: bytes) -> list[bytes]:
        """The values of all fields of that name, in order."""
        return values(self.fields, name)

    def value(self, name: bytes) -> bytes | None:
        """The value of the one field of that name, None where there is none."""
        found = self.values(name)
        assert len(found) <= 1, f"{name!r} stands there {len(found)} times"
        return found[0] if found else None


class Call:
    """A request whose head is in, and the means to answer it in any way.

    A script that answers before it has read the body calls `body` itself or
    never; otherwise the body is read before the script runs.
    """

    def __init__(self, upstream: RecordingUpstream, connection: socket.socket, reader: Reader, number: int) -> None:
        self.upstream = upstream
        self.socket = connection
        self.reader = reader
        self.number = number
        self.head = reader.until(b"\r\n\r\n")
        self.line, self.fields = parse_head(self.head)
        self.method, self.target, _ = self.line.split(b" ")
        self.path = self.target.partition(b"?")[0].decode("latin-1")

    def body(self) -> bytes:
        """Read the whole body."""
        if values(self.fields, b"transfer-encoding"):
            return b"".join(self.reader.chunks())
        return self.reader.exactly(int((values(self.fields, b"content-length") or [b"0"])[0]))

    def send(self, data: bytes) -> None:
        """Send `data` as it is."""
        self.socket.sendall(data)

    def answer(self, body: bytes = b"", *fields: bytes, status: bytes = b"200 OK") -> None:
        """A plain response with a Content-Length."""
        self.send(response(body, *fields, status=status))

    def wait_hang_up(self) -> None:
        """Wait until the gateway hangs up, and note the path in `hung_up`."""
        with contextlib.suppress(ConnectionError):
            while self.socket.recv(65_536):
                pass
        self.upstream.hung_up.append(self.path)

    def hang_up(self) -> None:
        """Close without another word."""
        self.socket.close()

    def reset(self) -> None:
        """Close so that the other side gets an error instead of an end."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()


Script = Callable[[Call], None]


def response(body: bytes = b"", *fields: bytes, status: bytes = b"200 OK") -> bytes:
    """The bytes of a plain response with a Content-Length."""
    return b"\r\n".join((b"HTTP/1.1 " + status, *fields, b"Content-Length: %d" % len(body), b"", body))


class RecordingUpstream:
    """Listens on a free port (or `port`) of 127.0.0.1 (or `host`) from `start` on, over TLS where there is a `context`.

    `received` are all requests in the order in which they were complete,
    `hung_up` the paths of scripts that saw the gateway hang up, `failed` what
    went wrong in a script.
    """

    def __init__(
        self, name: str, port: int = 0, context: ssl.SSLContext | None = None, host: str = "127.0.0.1"
    ) -> None:
        self._context = context
        self._host = host
        self.name = name
        self.received: list[Received] = []
        self.hung_up: list[str] = []
        self.failed: list[BaseException] = []
        self.scripts: dict[str, Script] = {}
        self.early: set[str] = set()
        self._numbers = itertools.count(1)
        self._open: set[socket.socket] = set()
        self._listening = socket.create_server((host, port), backlog=1024)
        self.port: int = self._listening.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, name=f"upstream {name}", daemon=True)
        self._accepting.start()

    @property
    def url(self) -> str:
        """The endpoint's URL."""
        return f"{'http' if self._context is None else 'https'}://{self._host}:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening and hang up on everybody."""
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._accepting.join(PATIENCE)
        self.hang_up_on_all()

    def hang_up_on_all(self) -> None:
        """Close all connections."""
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    @property
    def connected(self) -> int:
        """How many connections are open."""
        return len(self._open)

    def on(self, path: str, *, early: bool = False) -> Callable[[Script], Script]:
        """Answer requests for `path` by the decorated script; `early` runs it before the body was read."""

        def register(script: Script) -> Script:
            self.scripts[path] = script
            if early:
                self.early.add(path)
            return script

        return register

    def requests(self, path: str) -> list[Received]:
        """What was received for `path`, in order."""
        return [one for one in self.received if one.target.partition(b"?")[0] == path.encode("latin-1")]

    def last(self, path: str) -> Received:
        """The newest request for `path`; waits for the first."""
        wait_for(lambda: self.requests(path), f"a request for {path} at {self.name}")
        return self.requests(path)[-1]

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            connection.settimeout(PATIENCE)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection, next(self._numbers)), daemon=True).start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        if self._context is not None:
            self._open.discard(connection)
            try:
                connection = self._context.wrap_socket(connection, server_side=True)
            except OSError:
                connection.close()
                return
            self._open.add(connection)
        reader = Reader(connection)
        try:
            while connection.fileno() >= 0:
                self._one(Call(self, connection, reader, number))
        except (BrokenMessage, ConnectionError, TimeoutError):
            pass
        except BaseException as error:
            self.failed.append(error)
        finally:
            self._open.discard(connection)
            connection.close()

    def _one(self, call: Call) -> None:
        body = b"" if call.path in self.early else call.body()
        self.received.append(Received(call.line, call.fields, body, call.number, call.head))
        script = self.scripts.get(call.path)
        if script is not None:
            script(call)
        elif call.method == b"HEAD":
            call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n")
        else:
            call.answer(b'{"served by":"%b"}' % self.name.encode(), b"Content-Type: application/json")
