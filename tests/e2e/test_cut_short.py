"""A response that the upstream cuts short: what came of it arrives, then it looks broken, and the log says how much."""

from __future__ import annotations

import fcntl
import shutil
import socket
import struct
import subprocess
import termios
import threading
import time

import pytest

from tests.e2e.conftest import System
from tests.e2e.raw_http import BrokenMessage, Client, request
from tests.e2e.recording_upstream import Call
from tests.e2e.waiting import wait_for

SIZE = 1_000_002
BEGUN = b"begun and no"
ENDINGS = ["hang_up", "reset"]


def waiting(connection: socket.socket) -> int:
    """The bytes that were written and that the other side's kernel does not have yet."""
    (count,) = struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, b"\0\0\0\0"))
    return int(count)


def cuts_short(system: System, path: str, fields: bytes, body: bytes, ending: str) -> threading.Event:
    """Have the upstream send `body`, and end once the returned event is set."""
    go_on = threading.Event()

    @system.legacy.on(path)
    def dies(call: Call) -> None:
        call.send(b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n" + body)
        assert go_on.wait(60)
        if ending == "reset":
            # A reset takes what is still to be sent with it.
            wait_for(lambda: not waiting(call.socket), "the gateway to have it all")
        getattr(call, ending)()

    return go_on


def everything(client: Client) -> tuple[bytes, bool]:
    """What comes until the connection ends, and whether it ends by a reset."""
    got = bytearray()
    try:
        while data := client.socket.recv(65_536):
            got += data
    except ConnectionResetError:
        return bytes(got), True
    return bytes(got), False


@pytest.mark.parametrize(("ending", "size"), [("hang_up", SIZE), ("reset", 200_000)])
def test_a_slow_reader_gets_all_data_of_a_truncated_response(system: System, ending: str, size: int) -> None:
    path = f"/cut/slow/{ending}"
    cuts_short(system, path, b"Content-Length: 2000000\r\n", b"x" * size, ending).set()
    with Client(system.gateway.port, receive_buffer=16_384) as client:
        client.send(request(path))
        client.reader.until(b"\r\n\r\n")
        # The upstream has ended long before the rest is read.
        system.legacy.last(path)
        got = len(client.reader.some())
        for _ in range(10):
            time.sleep(0.02)
            got += len(client.reader.some())
        rest, was_reset = everything(client)
    assert (got + len(rest), was_reset) == (size, False)
    (line,) = system.gateway.access(path)
    assert (line["status"], line["bytes"], line["broken"]) == (200, size, True)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    ("fields", "body", "seen"),
    [
        (b"Content-Length: 100\r\n", BEGUN, BEGUN),
        (b"Transfer-Encoding: chunked\r\n", b"c\r\n" + BEGUN + b"\r\n", b"c\r\n" + BEGUN + b"\r\n"),
        (b"Transfer-Encoding: chunked\r\n", b"20\r\n" + BEGUN, b"c\r\n" + BEGUN + b"\r\n"),
    ],
    ids=["length", "chunks", "within a chunk"],
)
def test_the_beginning_of_a_truncated_response_arrives(
    system: System, ending: str, fields: bytes, body: bytes, seen: bytes
) -> None:
    path = f"/cut/{ending}/{len(fields)}/{len(body)}"
    cuts_short(system, path, fields, body, ending).set()
    with system.gateway.client() as client:
        client.send(request(path))
        got, was_reset = everything(client)
    assert got.partition(b"\r\n\r\n")[2] == seen
    # The framing shows that a part is missing.
    assert not was_reset
    (line,) = system.gateway.access(path)
    assert (line["bytes"], line["broken"]) == (len(BEGUN), True)


@pytest.mark.parametrize("size", [12, SIZE])
def test_a_reset_that_marks_a_missing_part_follows_the_data(system: System, size: int) -> None:
    path = f"/cut/old/{size}"
    cuts_short(system, path, b"Transfer-Encoding: chunked\r\n", b"%x\r\n" % (size + 1) + b"x" * size, "hang_up").set()
    with Client(system.gateway.port, receive_buffer=16_384) as client:
        client.send(request(path, version="1.0"))
        client.reader.until(b"\r\n\r\n")
        got = bytearray(client.reader.some())
        rest, was_reset = everything(client)
    assert (len(got) + len(rest), was_reset) == (size, True)
    (line,) = system.gateway.access(path)
    assert line["bytes"] == size


def test_the_access_log_has_the_bytes_of_a_client_that_left_early(system: System) -> None:
    before = system.gateway.metric("strangler_events_total", event="broken_responses")
    chunks = b"%x\r\n" % 300_000 + b"x" * 200_000
    cuts_short(system, "/cut/gone", b"Transfer-Encoding: chunked\r\n", chunks, "hang_up").set()
    with Client(system.gateway.port, receive_buffer=4096) as client:
        client.send(request("/cut/gone", version="1.0"))
        client.reader.until(b"\r\n\r\n")
        wait_for(
            lambda: system.gateway.metric("strangler_events_total", event="broken_responses") > before,
            "the response to be cut short",
        )
        client.reset()
    (line,) = system.gateway.access("/cut/gone")
    assert line["broken"]
    assert 0 < line["bytes"] < 200_000


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize(
    ("options", "fields", "code"),
    [
        ((), b"Content-Length: 100\r\n", 18),
        ((), b"Transfer-Encoding: chunked\r\n", 18),
        (("--http1.0",), b"Transfer-Encoding: chunked\r\n", 56),
    ],
    ids=["length", "chunks", "HTTP 1.0"],
)
def test_curl_exits_as_documented_for_a_truncated_response(
    system: System, options: tuple[str, ...], fields: bytes, code: int
) -> None:
    path = f"/cut/curl/{code}/{len(fields)}"
    body = b"c\r\n" + BEGUN + b"\r\n" if b"chunked" in fields else BEGUN
    cuts_short(system, path, fields, body, "hang_up").set()
    url = f"http://127.0.0.1:{system.gateway.port}{path}"
    done = subprocess.run(["curl", "-sS", "--max-time", "20", *options, url], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (code, BEGUN)


def test_a_truncated_response_affects_no_other_client(system: System) -> None:
    cuts_short(system, "/cut/first", b"Content-Length: 100\r\n", BEGUN, "hang_up").set()
    with system.gateway.client() as client, system.gateway.client() as other:
        client.send(request("/cut/first") + request("/cut/second"))
        with pytest.raises(BrokenMessage):
            client.response()
        assert other.request("/cut/other").status == 200
    assert not system.legacy.requests("/cut/second")
