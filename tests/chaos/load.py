"""A load generator that looks at every answer: is it the one to this request, and was a write done once?

Each request carries a nonce that must come back. An answer with another nonce,
or with less than it announced, is *wrong*; one of the gateway's own, or a
connection that ended without an answer, is *failed*. Connections are kept, a
fixed number of requests is under way, and a latency is that of the whole answer.

A server may close a kept connection just as it is used again. As every HTTP
client does, the load then sends a read again on a new connection, and counts it
as *stale*; a write it may not send again, so that one has failed (RFC 9112
section 9.3.1).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import time
from collections import Counter
from dataclasses import dataclass, field

TIMEOUT = 20.0


@dataclass(slots=True)
class Tally:
    """What came of all requests so far; `by` counts right answers by the name of who gave them.

    `written` are the nonces of writes that were answered as done. `latencies`
    are in seconds.
    """

    sent: int = 0
    by: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)
    failed_reads: int = 0
    stale: int = 0
    refused_connections: int = 0
    written: set[str] = field(default_factory=set)
    latencies: list[float] = field(default_factory=list)

    @property
    def right(self) -> int:
        """Requests answered with what was asked for, by whomever."""
        return self.by.total()

    def p99(self) -> float:
        """The 99th percentile of the latencies of right answers, in seconds."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)] if ordered else 0.0


@dataclass(slots=True)
class _Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    used: bool = False


class _Asked:
    """One request; `over` once it was answered or failed."""

    __slots__ = ("body", "nonce", "over", "write")

    def __init__(self, nonce: str, write: bool) -> None:
        self.nonce = nonce
        self.write = write
        self.body = f"content of {nonce}" if write else ""
        self.over = False


class Load:
    """`connections` clients of the gateway at `port`, each with one request at a time.

    Every tenth request is a write where `writes`. A pause of `pause` seconds
    after each answer bounds the rate.
    """

    def __init__(
        self, port: int, *, connections: int = 16, writes: bool = True, pause: float = 0.01, path: str = "/orders"
    ) -> None:
        self.port = port
        self.tally = Tally()
        self._path = path
        self._pause = pause
        self._writes = writes
        self._numbers = itertools.count()
        self._stopping = False
        self._tasks = [asyncio.create_task(self._client()) for _ in range(connections)]

    async def stop(self) -> Tally:
        """Let what is under way end; what came of it all."""
        self._stopping = True
        await asyncio.gather(*self._tasks)
        return self.tally

    async def answered(self, count: int, deadline: float = 30.0) -> None:
        """Wait until `count` more requests have been answered rightly."""
        wanted = self.tally.right + count
        end = time.monotonic() + deadline
        while self.tally.right < wanted:
            assert time.monotonic() < end, f"{self.tally.right} of {wanted} right answers after {deadline:g} s"
            await asyncio.sleep(0.01)

    async def _client(self) -> None:
        connection: _Connection | None = None
        while not self._stopping:
            number = next(self._numbers)
            asked = _Asked(f"n{number}", self._writes and number % 10 == 9)
            self.tally.sent += 1
            while not asked.over:
                if connection is None:
                    connection = await self._connect()
                    if connection is None:
                        # Nobody listens any more, and this load is to end.
                        self.tally.sent -= 1
                        return
                if not await self._ask(connection, asked):
                    connection.writer.close()
                    connection = None
            await asyncio.sleep(self._pause)
        if connection is not None:
            connection.writer.close()

    async def _connect(self) -> _Connection | None:
        while not self._stopping:
            try:
                return _Connection(*await asyncio.open_connection("127.0.0.1", self.port))
            except OSError:
                self.tally.refused_connections += 1
                await asyncio.sleep(0.02)
        return None

    async def _ask(self, connection: _Connection, asked: _Asked) -> bool:
        """Ask once; whether the connection can be used again."""
        method = "POST" if asked.write else "GET"
        length = f"Content-Length: {len(asked.body)}\r\n" if asked.write else ""
        line = f"{method} {self._path}?nonce={asked.nonce} HTTP/1.1"
        began = time.monotonic()
        head = b""
        try:
            async with asyncio.timeout(TIMEOUT):
                connection.writer.write(f"{line}\r\nHost: shop.example\r\n{length}\r\n{asked.body}".encode())
                head = await connection.reader.readuntil(b"\r\n\r\n")
                status = int(head.split(b" ")[1])
                fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
                content = await connection.reader.readexactly(int(fields[b"content-length"]))
        except (ConnectionError, asyncio.IncompleteReadError, TimeoutError) as error:
            silent = not head and not (isinstance(error, asyncio.IncompleteReadError) and error.partial)
            if connection.used and silent and not asked.write and not isinstance(error, TimeoutError):
                self.tally.stale += 1
                return False
            self._fail(asked, type(error).__name__)
            return False
        connection.used = True
        asked.over = True
        self._judge(status, content, asked)
        self.tally.latencies.append(time.monotonic() - began)
        return fields.get(b"connection") != b"close"

    def _judge(self, status: int, content: bytes, asked: _Asked) -> None:
        if status != 200:
            self._fail(asked, str(status))
            return
        said = None
        with contextlib.suppress(ValueError):
            said = json.loads(content.rstrip(b"x"))
        if said is None or said["nonce"] != asked.nonce or said["received"] != asked.body:
            self.tally.wrong.append(f"{asked.nonce}: {content[:100]!r}")
            return
        self.tally.by[said["name"]] += 1
        if asked.write:
            self.tally.written.add(asked.nonce)

    def _fail(self, asked: _Asked, why: str) -> None:
        asked.over = True
        self.tally.failed[why] += 1
        if not asked.write:
            self.tally.failed_reads += 1
