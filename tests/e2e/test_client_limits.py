"""What the gateway takes from a client: how much, how many and how long."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.conftest import Start, provider, route
from tests.e2e.gateway_process import GatewayProcess, memory
from tests.e2e.raw_http import ask, request
from tests.e2e.recording_upstream import Call, RecordingUpstream
from tests.e2e.tokens import Issuer
from tests.e2e.waiting import wait_for

CONNECTIONS = 8


@dataclass(frozen=True)
class Strict:
    """A gateway with narrow limits and no default upstream, and the one upstream behind it."""

    gateway: GatewayProcess
    upstream: RecordingUpstream


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory, issuer: Issuer) -> Iterator[Strict]:
    folder: Path = tmp_path_factory.mktemp("strict")
    issuer.write_key_set(folder)
    with RecordingUpstream("legacy") as upstream:
        configuration = {
            "auth": {"providers": {"shop": provider("jwks.json")}},
            "upstreams": {"legacy": {"endpoints": [upstream.url]}},
            "routes": [route("open"), route("private", provider="shop")],
            "limits": {
                "target_bytes": 100,
                "header_bytes": 1000,
                "header_count": 10,
                "header_timeout": "500ms",
                "keep_alive": "500ms",
                "connections": CONNECTIONS,
            },
        }
        with GatewayProcess(folder, configuration) as gateway:
            yield Strict(gateway, upstream)
        assert not upstream.failed


def test_a_request_without_a_route_or_a_default_is_a_404(strict: Strict) -> None:
    answer = ask(strict.gateway.port, "/nowhere", "X-Request-Id: mine")
    assert answer.status == 404
    assert answer.value(b"Content-Type") == b"application/problem+json"
    assert json.loads(answer.body)["request_id"] == "mine"


def test_a_target_of_the_maximum_length_passes_and_one_more_byte_is_a_414(strict: Strict) -> None:
    target = "/open/" + "x" * 94
    for _ in range(2):
        assert ask(strict.gateway.port, target).status == 200
        assert ask(strict.gateway.port, target + "x").status == 414


def test_a_target_too_long_is_a_414_on_a_connection_with_known_fields(strict: Strict) -> None:
    with strict.gateway.client() as client:
        for _ in range(3):
            assert client.request("/open/x").status == 200
        assert client.request("/open/" + "x" * 95).status == 414


def test_too_many_bytes_of_fields_are_a_431(strict: Strict) -> None:
    assert ask(strict.gateway.port, "/open/x", "X: " + "x" * 900).status == 200
    assert ask(strict.gateway.port, "/open/x", "X: " + "x" * 1000).status == 431


def test_too_many_fields_are_a_431(strict: Strict) -> None:
    assert ask(strict.gateway.port, "/open/x", *["X: 1"] * 9).status == 200
    assert ask(strict.gateway.port, "/open/x", *["X: 1"] * 10).status == 431


@pytest.mark.parametrize(
    "endless",
    [
        b"GET /" + b"x" * 64,
        b"GET /open/x HTTP/1.1\r\nHost: a\r\nX: ",
        b"GET /open/x HTTP/1.1\r\nHost: a\r\nX",
        b"POST /open/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;",
        b"POST /open/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ",
    ],
    ids=["target", "value", "name", "chunk extension", "trailer"],
)
def test_an_endless_request_line_is_refused(strict: Strict, endless: bytes) -> None:
    """Long before it fills the memory: the kernel takes a few MiB at the most before the gateway stops."""
    sent = 0
    with strict.gateway.client() as client:
        client.send(endless)
        client.socket.settimeout(2)
        with pytest.raises((ConnectionError, TimeoutError)):  # noqa: PT012
            for _ in range(1000):
                client.send(b"x" * 65_536)
                sent += 65_536
    assert sent < 20_000_000
    assert ask(strict.gateway.port, "/open/x").status == 200


def test_a_head_that_takes_too_long_is_a_408(strict: Strict) -> None:
    with strict.gateway.client() as client:
        client.send(b"GET /open/slow HTTP/1.1\r\nHost: a\r\n")
        answer = client.response()
        assert answer.status == 408
        assert answer.value(b"Connection") == b"close"
        assert client.is_closed()


def test_trickling_does_not_extend_the_time_for_a_head(strict: Strict) -> None:
    with strict.gateway.client() as client:
        client.send(b"GET /open/slow HTTP/1.1\r\nHost: a\r\nX: ")
        client.socket.settimeout(0.05)

        def answered() -> bool:
            try:
                client.send(b"x")
                return client.socket.recv(1, socket.MSG_PEEK) != b""
            except TimeoutError:
                return False

        wait_for(answered, "an answer to a head that trickles in")
        client.socket.settimeout(60)
        assert client.response().status == 408


def test_a_connection_without_a_request_is_closed_silently(strict: Strict) -> None:
    with strict.gateway.client() as client:
        assert client.is_closed()


def test_an_idle_kept_connection_is_closed_silently(strict: Strict) -> None:
    with strict.gateway.client() as client:
        assert client.request("/open/x").status == 200
        assert client.is_closed()


def test_a_second_head_that_takes_too_long_is_a_408(strict: Strict) -> None:
    with strict.gateway.client() as client:
        assert client.request("/open/x").status == 200
        client.send(b"GET /open/slow HTT")
        assert client.response().status == 408


def test_a_connection_beyond_the_maximum_gets_a_503(strict: Strict) -> None:
    wait_for(lambda: strict.gateway.metric("strangler_client_connections") == 0, "other tests' connections to end")
    with ExitStack() as stack:
        # A request under way keeps a connection from running into its deadline.
        release: list[Call] = []
        strict.upstream.on("/open/held")(lambda call: (release.append(call), call.wait_hang_up())[1])
        held = [stack.enter_context(strict.gateway.client()) for _ in range(CONNECTIONS)]
        for number, client in enumerate(held):
            client.send(request("/open/held"))
            wait_for(lambda number=number: len(release) == number + 1, "the upstream to have the request")
        with strict.gateway.client() as one_more:
            answer = one_more.response()
            assert answer.status == 503
            assert answer.value(b"Connection") == b"close"
            assert one_more.is_closed()
        for client in held:
            client.reset()
    wait_for(lambda: strict.gateway.metric("strangler_client_connections") == 0, "all connections to end")
    assert ask(strict.gateway.port, "/open/x").status == 200


def test_refusals_of_many_pipelined_requests_come_one_by_one(strict: Strict) -> None:
    """However many there are in one read; each is answered before the next one starts."""
    with strict.gateway.client() as client:
        client.send(request("/open/first") + request("/private/x") * 2000)
        assert client.response().status == 200
        assert {client.response().status for _ in range(2000)} == {401}


def test_requests_refused_for_their_syntax_are_counted(strict: Strict) -> None:
    before = strict.gateway.metric("strangler_requests_total", status="400", route="")
    assert ask(strict.gateway.port, "/open/x", "Host: another").status == 400
    assert strict.gateway.metric("strangler_requests_total", status="400", route="") == before + 1


def test_a_client_that_never_reads_does_not_fill_the_memory(strict: Strict) -> None:
    strict.upstream.on("/open/big")(lambda call: call.answer(b"x" * 200_000))
    worker = strict.gateway.worker_pids()[0]
    with strict.gateway.client(receive_buffer=8192) as client:
        before = memory(worker)
        client.socket.settimeout(1)
        with pytest.raises(TimeoutError):  # noqa: PT012
            for _ in range(100_000):
                client.send(request("/open/big") * 10)
        assert memory(worker) - before < 16 * 2**20
        assert len(strict.upstream.requests("/open/big")) < 40


def test_thousands_of_refused_upgrades_in_one_read_are_answered(start: Start, upstream: RecordingUpstream) -> None:
    # Behind each the parser stops, because another protocol might begin there; a list of nothing names none.
    gateway = start({"upstreams": {"legacy": {"endpoints": [upstream.url]}}, "default": "legacy"})
    count = 1500
    with gateway.client() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: ,\r\n\r\n" * count)
        assert [client.response().status for _ in range(count)] == [200] * count


def test_rejected_connections_take_no_place_from_others(start: Start, upstream: RecordingUpstream) -> None:
    limits = {"connections": 4, "connections_per_address": 2}
    gateway = start({"upstreams": {"legacy": {"endpoints": [upstream.url]}}, "default": "legacy", "limits": limits})
    with ExitStack() as connections:
        for number in range(8):
            greedy = connections.enter_context(gateway.client())
            if number < 2:
                assert greedy.request("/kept").status == 200
            else:
                # Told so, and not hung up by its end.
                assert greedy.response().status == 429
        address = ("127.0.0.1", gateway.port)
        other = connections.enter_context(socket.create_connection(address, 20, source_address=("127.0.0.2", 0)))
        other.sendall(request("/other", "Connection: close"))
        assert other.recv(65_536).startswith(b"HTTP/1.1 200")
