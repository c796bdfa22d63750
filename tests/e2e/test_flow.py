"""Backpressure: a slow side pauses the other one, and nothing gathers in between."""

from __future__ import annotations

import threading

from tests.e2e.conftest import Start
from tests.e2e.gateway_process import memory
from tests.e2e.raw_http import request
from tests.e2e.recording_upstream import Call, RecordingUpstream
from tests.e2e.socket_buffers import ENDLESS, MIB
from tests.e2e.waiting import wait_for

SIZE = ENDLESS
PIECE = b"0123456789abcdef" * 4096


def one_upstream(upstream: RecordingUpstream, **more: object) -> dict[str, object]:
    return {"upstreams": {"legacy": {"endpoints": [upstream.url], **more}}, "default": "legacy"}


def test_a_slow_reader_holds_the_upstream_back(start: Start, upstream: RecordingUpstream) -> None:
    sent = 0
    stuck = threading.Event()

    @upstream.on("/download")
    def download(call: Call) -> None:
        nonlocal sent
        call.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
        call.socket.settimeout(0.5)
        while sent < SIZE:
            try:
                sent += call.socket.send(PIECE[sent % len(PIECE) :])
            except TimeoutError:
                stuck.set()

    gateway = start(one_upstream(upstream))
    (worker,) = gateway.worker_pids()
    with gateway.client(receive_buffer=65_536) as client:
        assert client.request("/warm").status == 200
        before = memory(worker)
        client.send(request("/download"))
        assert stuck.wait(60), "the upstream could send all of it although nobody reads"
        assert sent < SIZE
        highest = memory(worker)
        client.reader.until(b"\r\n\r\n")
        received = 0
        while received < SIZE:
            piece = client.reader.exactly(min(MIB, SIZE - received))
            assert piece[:16] == PIECE[:16]
            received += len(piece)
            highest = max(highest, memory(worker))
        assert highest - before < 16 * MIB
        assert client.request("/warm").status == 200


def test_a_slow_upstream_holds_the_client_back(start: Start, upstream: RecordingUpstream) -> None:
    stuck = threading.Event()
    received = 0

    @upstream.on("/upload", early=True)
    def upload(call: Call) -> None:
        nonlocal received
        assert stuck.wait(60)
        while received < SIZE:
            received += len(call.reader.exactly(min(MIB, SIZE - received)))
        call.answer(b"%d" % received)

    gateway = start(one_upstream(upstream))
    (worker,) = gateway.worker_pids()
    with gateway.client() as client:
        assert client.request("/warm").status == 200
        before = memory(worker)
        client.send(request("/upload", f"Content-Length: {SIZE}", method="POST"))
        client.socket.settimeout(0.5)
        sent = 0
        highest = before
        while sent < SIZE:
            try:
                sent += client.socket.send(PIECE[sent % len(PIECE) :])
            except TimeoutError:
                stuck.set()
            if sent % MIB == 0:
                highest = max(highest, memory(worker))
        client.socket.settimeout(20)
        assert stuck.is_set(), "the client could send all of it although the upstream does not read"
        assert client.response().body == b"%d" % SIZE
        assert highest - before < 16 * MIB


def test_a_slow_reader_does_not_hold_up_the_next_client(start: Start, upstream: RecordingUpstream) -> None:
    """The response is complete while its reader is behind; the connection goes on to somebody else."""
    body = b"x" * 3 * MIB
    upstream.on("/big")(lambda call: call.answer(body))
    gateway = start(one_upstream(upstream, connections=1))
    with gateway.client(receive_buffer=8192) as slow, gateway.client() as quick:
        slow.send(request("/big"))
        upstream.last("/big")
        for _ in range(3):
            # Waits its turn while the slow one has the connection, and must get it with the reading on.
            quick.send(request("/small"))
        assert slow.response().body == body
        assert [quick.response().status for _ in range(3)] == [200] * 3
    with gateway.client(receive_buffer=8192) as slow, gateway.client() as quick:
        # Sizes around the write buffer's limit, where the last bytes come in while it is full.
        for size in range(200_000, 1_000_000, 50_000):
            upstream.on("/size")(lambda call, size=size: call.answer(b"y" * size))
            slow.send(request("/size"))
            upstream.last("/size")
            quick.send(request("/small"))
            assert len(slow.response().body) == size
            assert quick.response().status == 200


def test_a_pipelined_response_waits_until_the_last_is_read(start: Start, upstream: RecordingUpstream) -> None:
    """A client that asks for two large things at once and reads neither gets one of them into memory at most."""
    begun = threading.Event()

    @upstream.on("/large")
    def large(call: Call) -> None:
        begun.set()
        call.answer(b"z" * SIZE)

    upstream.on("/medium")(lambda call: call.answer(b"y" * MIB))
    gateway = start(one_upstream(upstream))
    (worker,) = gateway.worker_pids()
    with gateway.client(receive_buffer=8192) as client:
        assert client.request("/warm").status == 200
        before = memory(worker)
        client.send(request("/medium") + request("/large"))
        assert client.response().body == b"y" * MIB
        assert begun.wait(60)
        received = 0
        client.reader.until(b"\r\n\r\n")
        while received < SIZE:
            received += len(client.reader.exactly(MIB))
            assert memory(worker) - before < 16 * MIB
        wait_for(lambda: gateway.access("/large"), "the access log's line")
