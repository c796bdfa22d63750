"""Small things that were seen to go wrong in the field, in memory."""

from __future__ import annotations

from dataclasses import replace

import pytest

from strangler.model.snapshot import Snapshot
from strangler.proxy.client.connection import ClientConnection
from strangler.proxy.exchange.gathered_head import GatheredHead
from strangler.proxy.exchange.upgrade import is_handshake
from tests.proxy.in_process import Plane, Transport, run

STATE = b"tracestate: vendor=1"
PARENT = b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        ([PARENT, STATE], True),
        ([STATE, PARENT], True),
        ([STATE], False),
        ([STATE, b"traceparent: nonsense"], False),
        ([PARENT, STATE, b"Connection: traceparent"], False),
        ([PARENT, STATE, b"Connection: tracestate"], False),
    ],
)
def test_tracestate_passes_with_its_traceparent_alone(snapshot: Snapshot, fields: list[bytes], kept: bool) -> None:
    async def main() -> None:
        plane = Plane(snapshot)
        client = plane.client()
        for _ in range(3):
            client.feed(b"\r\n".join([b"GET /x HTTP/1.1", b"Host: a", *fields]) + b"\r\n\r\n")
            await plane.settle()
            (upstream,) = plane.busy()
            sent = upstream.take()
            assert (STATE in sent) is kept
            assert sent.count(b"traceparent: ") == 1
            upstream.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            await plane.settle()

    run(main)


@pytest.mark.parametrize("line", [b"GET /", b"GET /x?y", b"POST /"])
def test_a_request_line_without_a_version_is_a_bad_request(snapshot: Snapshot, line: bytes) -> None:
    async def main() -> None:
        plane = Plane(snapshot)
        client = plane.client()
        client.feed(line + b"\r\n\r\n")
        await plane.settle()
        assert client.take().startswith(b"HTTP/1.1 400 ")
        assert not plane.busy()

    run(main)


def test_connections_are_counted_by_the_network_of_an_ipv6_client(snapshot: Snapshot) -> None:
    """Every host has 2^64 addresses of its own."""
    limited = replace(snapshot, limits=replace(snapshot.limits, connections_per_address=3))

    async def main() -> None:
        plane = Plane(limited)

        def connect(peer: str) -> Transport:
            connection = ClientConnection(plane.plane, peer)
            transport = Transport(connection)
            connection.connection_made(transport)
            return transport

        of_one = [connect(f"2001:db8:1:2::{number:x}") for number in range(3)]
        other, mapped = connect("2001:db8:1:3::1"), connect("192.0.2.1")
        late = connect("2001:db8:1:2:ffff::1")
        assert late.take().startswith(b"HTTP/1.1 429 ")
        assert not any(transport.take() for transport in (*of_one, other, mapped))
        for transport in (*of_one, other, mapped, late):
            transport.abort()
        await plane.settle()
        assert plane.plane.addresses == {}

    run(main)


HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.mark.parametrize(
    ("method", "changes", "real"),
    [
        ("GET", {}, True),
        ("GET", {"Upgrade": "WebSocket"}, True),
        ("POST", {}, False),
        ("GET", {"Upgrade": "x-other"}, False),
        ("GET", {"Sec-WebSocket-Version": "8"}, False),
        ("GET", {"Sec-WebSocket-Key": "short"}, False),
        ("GET", {"Sec-WebSocket-Key": None}, False),
        ("GET", {"Sec-WebSocket-Version": None}, False),
    ],
)
def test_a_token_outside_of_authorization_needs_a_real_websocket_handshake(
    snapshot: Snapshot, method: str, changes: dict[str, str | None], real: bool
) -> None:
    """Else any request could bring its token in the query, by adding two header fields."""
    head = GatheredHead(None, secure=False)
    for name, value in {"Host": "a", **HANDSHAKE, **changes}.items():
        if value is not None:
            head.add(name.encode(), value.encode())
    head.complete(method, b"/", "1.1", True, replace(snapshot.limits, header_bytes=32_768))
    assert is_handshake(method, head) is real
