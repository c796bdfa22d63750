"""HTTP/1.1 as bytes: a client that sends what it is told and reads what comes, without opinions.

A test that is about framing can't use an HTTP library, which would put right
what the test wants to see.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass, field
from types import TracebackType

DEADLINE = 30.0
"""Seconds that only a failing test waits for, so that a busy machine fails none."""

Fields = list[tuple[bytes, bytes]]


class BrokenMessage(Exception):
    """The connection ended before the message did."""


def parse_head(head: bytes) -> tuple[bytes, Fields]:
    """First line and fields of a head without its empty line; names as sent, values without the white space around."""
    first, *lines = head.split(b"\r\n")
    fields = []
    for line in lines:
        name, colon, value = line.partition(b":")
        assert colon, f"{line!r} is no field"
        fields.append((name, value.strip(b" \t")))
    return first, fields


def values(fields: Fields, name: bytes) -> list[bytes]:
    """The values of all fields of that name, in order."""
    return [value for key, value in fields if key.lower() == name.lower()]


@dataclass(frozen=True)
class Response:
    """A whole response; `interim` are the statuses of the 1xx before it."""

    status: int
    fields: Fields
    body: bytes
    interim: tuple[int, ...] = ()
    pieces: tuple[bytes, ...] = field(default=(), compare=False)

    def values(self, name: bytes) -> list[bytes]:
        """The values of all fields of that name, in order."""
        return values(self.fields, name)

    def value(self, name: bytes) -> bytes | None:
        """The value of the one field of that name, None where there is none."""
        found = self.values(name)
        assert len(found) <= 1, f"{name!r} stands there {len(found)} times"
        return found[0] if found else None


class Reader:
    """Reads HTTP messages from a socket, no byte further than told."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = b""

    def _more(self) -> None:
        data = self._connection.recv(65_536)
        if not data:
            raise BrokenMessage(f"it ended after {self._buffer!r}")
        self._buffer += data

    def until(self, end: bytes) -> bytes:
        """The bytes before `end`, which is taken, too."""
        while end not in self._buffer:
            self._more()
        taken, _, self._buffer = self._buffer.partition(end)
        return taken

    def exactly(self, count: int) -> bytes:
        """The next `count` bytes."""
        while len(self._buffer) < count:
            self._more()
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken

    def some(self) -> bytes:
        """Whatever has come, after waiting for something to come; nothing at the end."""
        if not self._buffer:
            return self._connection.recv(65_536)
        taken, self._buffer = self._buffer, b""
        return taken

    def chunks(self) -> list[bytes]:
        """The data of all chunks of a chunked body (RFC 9112 section 7.1) that has no trailers."""
        data = []
        while size := int(self.until(b"\r\n").split(b";")[0], 16):
            data.append(self.exactly(size))
            assert self.exactly(2) == b"\r\n"
        assert self.exactly(2) == b"\r\n"
        return data

    def rest(self) -> bytes:
        """Whatever comes until the other side closes."""
        taken, self._buffer = self._buffer, b""
        while data := self._connection.recv(65_536):
            taken += data
        return taken


class Client:
    """One connection to 127.0.0.1:`port`; every wait ends after `deadline` seconds with an error.

    With a `context` it is over TLS and asks for `server_name`.
    """

    def __init__(
        self,
        port: int,
        *,
        receive_buffer: int | None = None,
        deadline: float = DEADLINE,
        context: ssl.SSLContext | None = None,
        server_name: str = "shop.example",
    ) -> None:
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(deadline)
        try:
            self.socket.connect(("127.0.0.1", port))
        except OSError:
            self.socket.close()
            raise
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_hostname=server_name)
        self.reader = Reader(self.socket)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send all of `data`."""
        self.socket.sendall(data)

    def request(
        self,
        target: str,
        *fields: str | bytes,
        method: str = "GET",
        body: bytes | None = None,
        host: str | None = "shop.example",
        version: str = "1.1",
    ) -> Response:
        """Send one request and read its response; `fields` are whole lines, a body gets its Content-Length."""
        self.send(request(target, *fields, method=method, body=body, host=host, version=version))
        return self.response(method)

    def response(self, method: str = "GET") -> Response:
        """The next response, read as one to `method`."""
        interim = []
        while True:
            first, fields = parse_head(self.reader.until(b"\r\n\r\n"))
            version, status_text, _ = (*first.split(b" ", 2), b"")[:3]
            assert version == b"HTTP/1.1", first
            status = int(status_text)
            if status >= 200:
                break
            interim.append(status)
        pieces = self._body(method, status, fields)
        return Response(status, fields, b"".join(pieces), tuple(interim), tuple(pieces))

    def head(self) -> Response:
        """The head of the next message, whatever its status, without a body."""
        first, fields = parse_head(self.reader.until(b"\r\n\r\n"))
        return Response(int(first.split(b" ")[1]), fields, b"")

    def _body(self, method: str, status: int, fields: Fields) -> list[bytes]:
        length, coding = values(fields, b"content-length"), values(fields, b"transfer-encoding")
        assert len(length) + len(coding) <= 1, f"ambiguous: {fields}"
        if method == "HEAD" or status in (204, 304):
            return []
        if coding:
            assert coding == [b"chunked"]
            return self.reader.chunks()
        return [self.reader.exactly(int(length[0])) if length else self.reader.rest()]

    def is_closed(self) -> bool:
        """Whether the other side closes next, without another byte; waits for whatever comes."""
        try:
            return self.reader.rest() == b""
        except ConnectionResetError:
            return True

    def reset(self) -> None:
        """Hang up at once, as a client that dies."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()


def request(
    target: str,
    *fields: str | bytes,
    method: str = "GET",
    body: bytes | None = None,
    host: str | None = "shop.example",
    version: str = "1.1",
) -> bytes:
    """The bytes of a request."""
    lines = [f"{method} {target} HTTP/{version}".encode("latin-1")]
    if host is not None:
        lines.append(f"Host: {host}".encode())
    lines += [line.encode("latin-1") if isinstance(line, str) else line for line in fields]
    if body is not None:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + (body or b"")


def ask(port: int, target: str, *fields: str | bytes, method: str = "GET", body: bytes | None = None) -> Response:
    """One request over a connection of its own."""
    with Client(port) as client:
        return client.request(target, *fields, method=method, body=body)


def chunked(*pieces: bytes) -> bytes:
    """A chunked body of these pieces."""
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
