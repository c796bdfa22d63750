"""A client that ends its side of the connection after its request, and reads on (RFC 9112 section 9.6)."""

from __future__ import annotations

import socket
import threading

import pytest

from tests.e2e.conftest import Start, System
from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.raw_http import Client, ask, request
from tests.e2e.recording_upstream import Call, RecordingUpstream
from tests.e2e.waiting import wait_for

HANDSHAKE = request("/switch", "Connection: Upgrade", "Upgrade: websocket")
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


def finish(client: Client, gateway: GatewayProcess) -> None:
    """Have the client send nothing more, and the gateway know that."""
    client.socket.shutdown(socket.SHUT_WR)
    # Each worker has served others since.
    for _ in range(8):
        assert ask(gateway.port, "/others").status == 200


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("POST", b"a body"), ("HEAD", None)])
def test_a_half_closed_client_gets_the_response(system: System, method: str, body: bytes | None) -> None:
    path = f"/half/{method}"
    go_on = threading.Event()

    @system.legacy.on(path)
    def waits(call: Call) -> None:
        assert go_on.wait(60)
        call.answer(b"" if method == "HEAD" else b"x" * 1_000_000)

    with system.gateway.client() as client:
        client.send(request(path, method=method, body=body))
        system.legacy.last(path)
        finish(client, system.gateway)
        go_on.set()
        answer = client.response(method)
        assert (answer.status, answer.value(b"Connection")) == (200, b"close")
        assert len(answer.body) == (0 if method == "HEAD" else 1_000_000)
        assert client.is_closed()
    (line,) = system.gateway.access(path)
    assert line["status"] == 200


def test_a_half_closed_client_gets_every_pending_response(system: System) -> None:
    with system.gateway.client() as client:
        client.send(b"".join(request(f"/half/many/{number}") for number in range(50)))
        client.socket.shutdown(socket.SHUT_WR)
        assert [client.response().status for _ in range(50)] == [200] * 50
        assert client.is_closed()


def test_a_half_closed_client_gets_the_response_to_a_refused_request(system: System) -> None:
    with system.gateway.client() as client:
        client.send(request("/half/good") + b"GET /half/bad HTTP/1.1\r\n\r\n")
        client.socket.shutdown(socket.SHUT_WR)
        assert [client.response().status for _ in range(2)] == [200, 400]
        assert client.is_closed()


@pytest.mark.parametrize("half", [request("/half/head")[:-2], request("/half/body", "Content-Length: 9") + b"x"])
def test_an_incomplete_request_of_a_half_closed_client_gets_no_response(system: System, half: bytes) -> None:
    with system.gateway.client() as client:
        client.send(half)
        client.socket.shutdown(socket.SHUT_WR)
        assert client.is_closed()


def test_an_upgrade_by_a_half_closed_client_makes_a_half_closed_tunnel(system: System) -> None:
    heard = threading.Event()

    @system.legacy.on("/switch")
    def switches(call: Call) -> None:
        finish(client, system.gateway)
        call.send(SWITCHED)
        assert call.reader.rest() == b""
        call.send(b"the last word")
        heard.set()
        call.hang_up()

    with system.gateway.client() as client:
        client.send(HANDSHAKE)
        assert client.head().status == 101
        assert client.reader.rest() == b"the last word"
    assert heard.wait(60)


def test_a_closed_client_is_noticed_when_data_is_sent_to_it(system: System) -> None:
    @system.legacy.on("/half/stream")
    def streams(call: Call) -> None:
        call.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        wait_for(lambda: gone.is_set(), "the client to have gone")
        while True:
            try:
                call.send(b"5\r\nevent\r\n")
            except ConnectionError:
                call.upstream.hung_up.append(call.path)
                raise

    gone = threading.Event()
    with system.gateway.client() as client:
        client.send(request("/half/stream"))
        client.reader.until(b"\r\n\r\n")
    gone.set()
    wait_for(lambda: "/half/stream" in system.legacy.hung_up, "the upstream's work to end")
    assert system.gateway.access("/half/stream")[0]["status"] == 499


def test_a_half_closed_client_cancels_the_request_where_configured(start: Start, upstream: RecordingUpstream) -> None:
    upstream.on("/half")(Call.wait_hang_up)
    config = {"upstreams": {"legacy": {"endpoints": upstream.url}}, "default": "legacy"}
    gateway = start({**config, "limits": {"half_close": False}})
    with gateway.client() as client:
        client.send(request("/half"))
        upstream.last("/half")
        client.socket.shutdown(socket.SHUT_WR)
        assert client.is_closed()
    wait_for(lambda: upstream.hung_up, "the upstream's work to end")
    assert gateway.access("/half")[0]["status"] == 499
