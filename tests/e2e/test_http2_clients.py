"""Clients that support HTTP/2 alone get a refusal in their own protocol."""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from strangler.proxy.client.client_hello import offered_protocols
from tests.e2e.certificates import Authority
from tests.e2e.conftest import System
from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.raw_http import Client, request
from tests.e2e.recording_upstream import Call, RecordingUpstream
from tests.e2e.waiting import wait_for

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\0\0\0\x04\0\0\0\0\0"
HTTP_1_1_REQUIRED = 13
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


def frames(data: bytes) -> list[tuple[int, bytes]]:
    """The types and payloads of HTTP/2 frames (RFC 9113 section 4.1)."""
    found = []
    while data:
        length = int.from_bytes(data[:3], "big")
        assert len(data) >= 9 + length, f"{data!r} is no whole frame"
        found.append((data[3], data[9 : 9 + length]))
        data = data[9 + length :]
    return found


@pytest.mark.parametrize("size", [1, 1000], ids=["in pieces", "whole"])
def test_a_preface_in_clear_gets_a_refusal_over_http2(system: System, size: int) -> None:
    sent = PREFACE + SETTINGS
    with system.gateway.client() as client:
        for place in range(0, len(sent), size):
            client.send(sent[place : place + size])
        (settings, _), (goaway, content) = frames(client.reader.rest())
    assert (settings, goaway) == (4, 7)
    assert int.from_bytes(content[4:8], "big") == HTTP_1_1_REQUIRED
    assert content[8:].startswith(b"HTTP/2 is not supported. Use HTTP/1.1,")
    assert system.gateway.access("*")[-1]["status"] == 505


@needs_curl
def test_curl_gets_a_response_to_a_cleartext_http2_preface(system: System) -> None:
    url = f"http://127.0.0.1:{system.gateway.port}/"
    command = ["curl", "-sv", "--max-time", "20", "--http2-prior-knowledge", url]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    assert done.returncode == 16
    assert f"GOAWAY, error={HTTP_1_1_REQUIRED}" in done.stderr


@dataclass(frozen=True)
class Secure:
    """A gateway that speaks TLS, and the authority of its certificate."""

    gateway: GatewayProcess
    authority: Authority
    upstream: RecordingUpstream


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    folder: Path = tmp_path_factory.mktemp("secure")
    authority = Authority()
    authority.write(folder, "shop", "shop.example")
    with RecordingUpstream("legacy") as upstream:
        config = {
            "upstreams": {"legacy": {"endpoints": upstream.url}},
            "default": "legacy",
            "tls": {"certificate": "shop.crt", "key": "shop.key"},
        }
        with GatewayProcess(folder, config) as gateway:
            yield Secure(gateway, authority, upstream)


@pytest.mark.parametrize("offered", [["h2"], ["h2", "h3"], ["spdy/3"]])
def test_a_client_without_a_common_protocol_gets_the_tls_alert(secure: Secure, offered: list[str]) -> None:
    context = secure.authority.client()
    context.set_alpn_protocols(offered)
    failed = {"event": "tls_handshakes_failed", "label": "no application protocol"}
    before = secure.gateway.metric("strangler_events_total", **failed)
    with pytest.raises(ssl.SSLError, match=r"(?i)no.application.protocol"):
        secure.gateway.client(context=context)
    wait_for(
        lambda: secure.gateway.metric("strangler_events_total", **failed) == before + 1,
        "the failed handshake in the metrics",
    )


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (["h2", "http/1.1"], "http/1.1"),
        (["http/1.0", "http/1.1"], "http/1.1"),
        (["http/1.0"], "http/1.0"),
        ([], None),
    ],
)
def test_a_client_that_offers_http_1_1_is_served(secure: Secure, offered: list[str], chosen: str | None) -> None:
    context = secure.authority.client()
    if offered:
        context.set_alpn_protocols(offered)
    with secure.gateway.client(context=context) as client:
        assert isinstance(client.socket, ssl.SSLSocket)
        assert client.socket.selected_alpn_protocol() == chosen
        assert client.request("/offered").status == 200


def test_a_half_closed_tls_client_gets_the_response(secure: Secure) -> None:
    closed = threading.Event()

    @secure.upstream.on("/half")
    def script(call: Call) -> None:
        # OpenSSL refuses a response that arrives while the client sends its close_notify.
        closed.wait(60)
        call.answer(b"{}")

    with secure.gateway.client(context=secure.authority.client()) as client:
        assert isinstance(client.socket, ssl.SSLSocket)
        client.send(request("/half"))
        client.socket.settimeout(0)
        with contextlib.suppress(ssl.SSLWantReadError):
            # Sends close_notify, without waiting for the gateway's.
            client.socket.unwrap()
        closed.set()
        client.socket.settimeout(20)
        assert client.response().status == 200


def hello(*offered: str) -> tuple[ssl.MemoryBIO, ssl.SSLObject, bytes]:
    """The ClientHello of a client that offers these protocols, with what goes on with the handshake."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if offered:
        context.set_alpn_protocols(offered)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname="shop.example")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return incoming, client, outgoing.read()


def test_a_client_hello_may_arrive_byte_by_byte(secure: Secure) -> None:
    incoming, client, data = hello("h2")
    with socket.create_connection(("127.0.0.1", secure.gateway.port), timeout=60) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for place in range(len(data)):
            connection.sendall(data[place : place + 1])
        incoming.write(connection.recv(1000))
    with pytest.raises(ssl.SSLError, match=r"(?i)no.application.protocol"):
        client.do_handshake()


def records(message: bytes, size: int) -> bytes:
    """A handshake message in records of at most `size` bytes."""
    pieces = [message[place : place + size] for place in range(0, len(message), size)]
    return b"".join(b"\x16\x03\x01" + len(piece).to_bytes(2, "big") + piece for piece in pieces)


@pytest.mark.parametrize("offered", [(), ("h2",), ("h2", "http/1.1")])
def test_protocols_are_read_from_a_client_hello_split_anywhere(offered: tuple[str, ...]) -> None:
    _, _, data = hello(*offered)
    wanted = frozenset(name.encode() for name in offered)
    for size in (1, 7, 100, 16_384):
        split = records(data[5:], size)
        assert offered_protocols(split) == wanted
        assert offered_protocols(split + b"more") == wanted
        assert all(offered_protocols(split[:end]) is None for end in range(len(split)))


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"\x16\x03\x01\0\x04\x02\0\0\0",
        records(b"\x01\0\0\x03\x03\x03\0", 100),
        b"\x15\x03\x01\0\x02\x02\x28",
    ],
)
def test_other_bytes_than_a_client_hello_are_left_to_openssl(data: bytes) -> None:
    assert offered_protocols(data) == frozenset()


def test_an_endless_client_hello_is_left_to_openssl() -> None:
    endless = b"\x16\x03\x01\x40\0\x01\xff\xff\xff" + b"\0" * 20_000
    assert offered_protocols(endless) == frozenset()


def test_a_connection_after_a_refused_preface_works_as_usual(system: System) -> None:
    with Client(system.gateway.port) as client:
        client.send(PREFACE)
        client.reader.rest()
    with system.gateway.client() as client:
        assert client.request("/after/preface").status == 200
