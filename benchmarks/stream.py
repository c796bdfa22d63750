"""A large body up and one down, each with a slow reader: how much does the proxy hold?

A proxy that reads faster than the other side takes has the whole body in memory
sooner or later. The writer is as fast as it is let; the reader first takes
nothing for a while, then a steady rate. Resident memory of the proxy's workers
is sampled meanwhile; growth is its peak less what it was before, after a
warm-up. What arrived is compared with what was sent by length and CRC-32.
"""

from __future__ import annotations

import socket
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace

from benchmarks.measure import rss_bytes
from benchmarks.origin import BODY
from benchmarks.peers import Contender
from benchmarks.processes import NotRunnable, Process
from benchmarks.throughput import Bench, Entry, Row
from tests.free_ports import free_ports

_BLOCK = bytes(range(256)) * 1024
_STALL = 1.5
_RATE = 160 * 2**20
_SAMPLE_EVERY = 0.01
_PATIENCE = 120.0


@dataclass(slots=True)
class StreamOutcome:
    """Growth of the workers' resident memory in MiB while a body went up and one down.

    `before_mib` is what they had before; `reason` says why there are no figures.
    """

    name: str
    reason: str = ""
    mib: int = 0
    before_mib: float = 0.0
    up_mib: float = 0.0
    down_mib: float = 0.0
    up_seconds: float = 0.0
    down_seconds: float = 0.0


def stream(bench: Bench, contenders: Sequence[Contender], mib: int) -> list[StreamOutcome]:
    """Send `mib` MiB up and down through each of the contenders, one after the other."""
    outcomes = []
    for contender in contenders:
        outcome = StreamOutcome(contender.name, mib=mib)
        outcomes.append(outcome)
        try:
            with ExitStack() as stack:
                _stream_one(bench, stack, contender, outcome)
        except NotRunnable as error:
            outcome.reason = str(error)
            bench.say(f"stream: {contender.name}: not runnable: {error}")
        else:
            bench.say(
                f"stream: {contender.name:<18} {mib} MiB up: +{outcome.up_mib:.1f} MiB,"
                f" down: +{outcome.down_mib:.1f} MiB (from {outcome.before_mib:.1f})"
            )
    return outcomes


def _stream_one(bench: Bench, stack: ExitStack, contender: Contender, outcome: StreamOutcome) -> None:
    origin = stack.enter_context(closing(_BulkOrigin(outcome.mib)))
    bulk = replace(bench, origin=replace(bench.origin, legacy_port=origin.port))
    row = Row("stream", "stream", [])
    contestant = bulk.start(stack, row, Entry(contender.name, contender, routes=1))
    process, port = contestant.process, contestant.setting.port
    bench.wrk.run(contestant.setting.url, bench.prepared(row, 1), 1)
    outcome.before_mib = rss_bytes(process.workers()) / 2**20
    try:
        outcome.up_mib, outcome.up_seconds = _watch(process, lambda: _upload(port, origin))
        outcome.down_mib, outcome.down_seconds = _watch(process, lambda: _download(port, origin))
    except OSError as error:
        raise NotRunnable(f"the body did not pass: {error!r}; {process.last_words()}") from error


def _watch(process: Process, transfer: Callable[[], None]) -> tuple[float, float]:
    """Growth in MiB of the workers' memory during `transfer`, and how long it took in seconds."""
    workers = process.workers()
    before = rss_bytes(workers)
    peak = before
    ended = threading.Event()

    def sample() -> None:
        nonlocal peak
        while not ended.wait(_SAMPLE_EVERY):
            peak = max(peak, rss_bytes(workers))

    sampler = threading.Thread(target=sample)
    sampler.start()
    began = time.monotonic()
    try:
        transfer()
    finally:
        ended.set()
        sampler.join()
    return (peak - before) / 2**20, time.monotonic() - began


def _receive_slowly(source: socket.socket, length: int) -> int:
    """Take `length` bytes: first none, then at a steady rate. Returns their CRC-32."""
    time.sleep(_STALL)
    received, checksum, began = 0, 0, time.monotonic()
    buffer = memoryview(bytearray(len(_BLOCK)))
    while received < length:
        count = source.recv_into(buffer[: length - received])
        if not count:
            raise ConnectionError(f"the body ended after {received} of {length} bytes")
        checksum = zlib.crc32(buffer[:count], checksum)
        received += count
        early = began + received / _RATE - time.monotonic()
        if early > 0.002:
            time.sleep(early)
    return checksum


def _read_head(source: socket.socket) -> bytes:
    """A message's head, byte by byte so that none of its body is taken."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = source.recv(1)
        if not byte:
            raise ConnectionError("the connection ended within a head")
        head += byte
    return head


class _BulkOrigin:
    """An origin with a large body at /bulk for GET, and one that takes a large body slowly for POST.

    Everything else is answered like the ordinary origin does, so that the usual check passes.
    """

    def __init__(self, mib: int) -> None:
        self.length = mib * 2**20
        self.blocks = self.length // len(_BLOCK)
        self.checksum = 0
        for _ in range(self.blocks):
            self.checksum = zlib.crc32(_BLOCK, self.checksum)
        [self.port] = free_ports(1)
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=256)
        # Set before it listens a socket's buffer is inherited: a small one, so that slow means slow.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 128 * 1024)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(_PATIENCE)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                while True:
                    self._answer(connection, _read_head(connection))
            except OSError:
                return

    def _answer(self, connection: socket.socket, head: bytes) -> None:
        if head.startswith(b"GET /bulk "):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % self.length)
            for _ in range(self.blocks):
                connection.sendall(_BLOCK)
        elif head.startswith(b"POST /bulk "):
            told = b"%d" % _receive_slowly(connection, self.length)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(told), told))
        else:
            body = BODY.encode()
            connection.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
            )


def _connect(port: int) -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 128 * 1024)
    client.settimeout(_PATIENCE)
    client.connect(("127.0.0.1", port))
    return client


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    raise ConnectionError(f"an answer without a length: {head[:80]!r}")


def _expect_ok(head: bytes) -> None:
    if not head.startswith(b"HTTP/1.1 200"):
        raise ConnectionError(f"answered {head.splitlines()[0]!r}")


def _upload(port: int, origin: _BulkOrigin) -> None:
    with _connect(port) as client:
        client.sendall(b"POST /bulk HTTP/1.1\r\nHost: bench\r\nContent-Length: %d\r\n\r\n" % origin.length)
        for _ in range(origin.blocks):
            client.sendall(_BLOCK)
        head = _read_head(client)
        _expect_ok(head)
        told = client.recv(_content_length(head), socket.MSG_WAITALL)
    if told != b"%d" % origin.checksum:
        raise ConnectionError("what arrived upstream is not what was sent")


def _download(port: int, origin: _BulkOrigin) -> None:
    with _connect(port) as client:
        client.sendall(b"GET /bulk HTTP/1.1\r\nHost: bench\r\n\r\n")
        head = _read_head(client)
        _expect_ok(head)
        if _content_length(head) != origin.length:
            raise ConnectionError("the length that the client was told is not the origin's")
        if _receive_slowly(client, origin.length) != origin.checksum:
            raise ConnectionError("what arrived is not what was sent")
