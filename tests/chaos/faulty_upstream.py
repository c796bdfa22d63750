"""An upstream that can fail in every way: `python -m tests.chaos.faulty_upstream NAME HOST PORT CONTROL_PORT WRITES`.

It answers every request with its name and the request's nonce, and notes the
nonce of each write in the file WRITES before it answers, so that an answer of
another request, a write that was lost and one that was done twice all show,
also when it is killed. What goes wrong is switched at the control port:
`POST /fault/NAME`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import struct
import sys
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs, urlsplit

LINGER_NOT = struct.pack("ii", 1, 0)
SLOW = 0.4
FILLER = b"x" * 2048


class FaultyUpstream:
    """One endpoint; `fault` is what goes wrong with every request from now on."""

    def __init__(self, name: str, host: str, port: int, writes: str) -> None:
        self.name = name
        self.host = host
        self.port = port
        self.fault = "none"
        self._writes = os.open(writes, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def listen(self) -> None:
        """Accept connections."""
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, self.host, self.port, backlog=512)

    async def refuse(self) -> None:
        """Accept no more and break off what is open, as when the process has died."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._open):
            writer.transport.abort()

    async def switch(self, fault: str) -> None:
        """Let `fault` happen from now on; `none` is health."""
        if fault not in FAULTS:
            raise ValueError(f"no fault {fault!r}; there are {', '.join(sorted(FAULTS))}")
        self.fault = fault
        if fault == "refuse":
            await self.refuse()
        else:
            await self.listen()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while True:
                if self.fault == "half-open":
                    # Accepted, and then nobody at home.
                    await asyncio.sleep(60)
                    return
                head = await reader.readuntil(b"\r\n\r\n")
                await self._answer(head, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._open.discard(writer)
            with contextlib.suppress(ConnectionError):
                writer.close()

    async def _answer(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line, *fields = head.decode("latin-1").split("\r\n")
        method, target, _ = line.split(" ")
        body = b""
        for field in fields:
            name, _, value = field.partition(":")
            if name.lower() == "content-length":
                body = await reader.readexactly(int(value))
        nonce = parse_qs(urlsplit(target).query).get("nonce", [""])[0]
        if method == "POST":
            os.write(self._writes, f"{nonce}\n".encode())
        answer = json.dumps({"name": self.name, "nonce": nonce, "received": body.decode()}).encode() + FILLER
        whole = (
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer
        )
        await FAULTS[self.fault](whole, writer)


async def _none(whole: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(whole)
    await writer.drain()


async def _reset(whole: bytes, writer: asyncio.StreamWriter, sent: int) -> None:
    writer.write(whole[:sent])
    await writer.drain()
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
    writer.transport.abort()
    raise ConnectionResetError


async def _stall(_: bytes, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def _slow(whole: bytes, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(SLOW)
    await _none(whole, writer)


async def _trickle(whole: bytes, writer: asyncio.StreamWriter) -> None:
    for start in range(0, len(whole), 256):
        writer.write(whole[start : start + 256])
        await writer.drain()
        await asyncio.sleep(0.03)


async def _garbage(_: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x16\x03\x01 this is not HTTP \x00\xff\r\n\r\n")
    await writer.drain()
    raise ConnectionResetError


async def _short(whole: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(whole[:-100])
    await writer.drain()
    writer.close()
    raise ConnectionResetError


async def _unavailable(_: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy")
    await writer.drain()


FAULTS: dict[str, Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]] = {
    "none": _none,
    "refuse": _none,
    "half-open": _none,
    "reset-before": lambda whole, writer: _reset(whole, writer, 0),
    "reset-in-head": lambda whole, writer: _reset(whole, writer, 40),
    "reset-in-body": lambda whole, writer: _reset(whole, writer, 1000),
    "stall": _stall,
    "slow": _slow,
    "trickle": _trickle,
    "garbage": _garbage,
    "short": _short,
    "unavailable": _unavailable,
}
"""What can go wrong, by name. `short` ends 100 bytes before the Content-Length that it announced."""


async def _control(upstream: FaultyUpstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    path = head.split(b" ")[1].decode()
    if path.startswith("/fault/"):
        await upstream.switch(path.removeprefix("/fault/"))
    body = json.dumps({"name": upstream.name, "fault": upstream.fault}).encode()
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    await writer.drain()
    writer.close()


async def _main(name: str, host: str, port: int, control_port: int, writes: str) -> None:
    upstream = FaultyUpstream(name, host, port, writes)
    await upstream.listen()
    control = await asyncio.start_server(
        lambda reader, writer: _control(upstream, reader, writer), "127.0.0.1", control_port
    )
    async with control:
        await control.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]))
