"""When an upstream misbehaves, is away or is slow: what the client sees, and what is never sent twice."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from tests.e2e.conftest import SHORT, Start, System
from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.raw_http import BrokenMessage, Client, Response, ask, chunked, request
from tests.e2e.recording_upstream import Call, RecordingUpstream, response
from tests.e2e.waiting import wait_for


def detail(answer: Response) -> str:
    """What the problem document in `answer` says."""
    assert answer.value(b"Content-Type") == b"application/problem+json"
    return str(json.loads(answer.body)["detail"])


# Responses that can't be trusted

MALFORMED = {
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    "two different lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    "list of lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok",
    "signed length": b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
    "hexadecimal length": b"HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nok",
    "empty length": b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nok",
    "enormous length": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nok",
    "length and chunked": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2\r\nok\r\n0\r\n\r\n",
    "chunked and length": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n"
    b"2\r\nok\r\n0\r\n\r\n",
    "chunked twice": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "gzip coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "coding in HTTP/1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "bad chunk size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxx\r\nok\r\n0\r\n\r\n",
    "signed chunk size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+2\r\nok\r\n0\r\n\r\n",
    "bad second chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nxx\r\n",
    "no end of chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokok\r\n0\r\n\r\n",
    "space before colon": b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok",
    "no colon": b"HTTP/1.1 200 OK\r\nContent-Length\r\n\r\nok",
    "control byte": b"HTTP/1.1 200 OK\r\nX: a\x01b\r\nContent-Length: 2\r\n\r\nok",
    "bare line feed": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "not HTTP": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "unasked switch": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "endless head": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 2_000_000,
}


@pytest.mark.parametrize("name", MALFORMED)
def test_an_ambiguous_response_is_a_502(system: System, name: str) -> None:
    path = f"/malformed/{name.replace(' ', '-').replace('/', '')}"
    system.legacy.on(path)(lambda call: call.send(MALFORMED[name]))
    with system.gateway.client() as client:
        answer = client.request(path)
        assert answer.status == 502, answer
        assert answer.interim == ()
        assert "malformed" in detail(answer) or "switched" in detail(answer)
        # The client is not to blame, and keeps its connection; the upstream's is not used again.
        assert client.request("/malformed").status == 200
    assert system.legacy.last("/malformed").connection != system.legacy.last(path).connection


EXTRA = {
    "bytes": b"and more",
    "another response": response(b"poison"),
    "an interim response": b"HTTP/1.1 100 Continue\r\n\r\n",
    "an empty line": b"\r\n",
}


@pytest.mark.parametrize("name", EXTRA)
@pytest.mark.parametrize("kind", ["short", "chunked", "head", "bodyless"])
def test_bytes_after_a_response_are_discarded(system: System, kind: str, name: str) -> None:
    path = f"/extra/{kind}/{name.replace(' ', '-')}"
    whole = {
        "short": response(b"whole"),
        "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"whole"),
        "head": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        "bodyless": b"HTTP/1.1 204 No Content\r\n\r\n",
    }[kind]
    method = "HEAD" if kind == "head" else "GET"
    system.legacy.on(path)(lambda call: call.send(whole + EXTRA[name]))
    with system.gateway.client() as client:
        answer = client.request(path, method=method)
        assert answer.status == (204 if kind == "bodyless" else 200)
        assert answer.body == (b"" if kind in ("head", "bodyless") else b"whole")
        after = client.request("/extra/after")
        assert after.body == b'{"served by":"legacy"}'
    if name != "an empty line":
        assert system.legacy.last("/extra/after").connection != system.legacy.last(path).connection


def test_bytes_that_arrive_later_after_a_response_are_discarded(system: System) -> None:
    answered, dropped = threading.Event(), threading.Event()

    @system.legacy.on("/extra/late")
    def late(call: Call) -> None:
        call.answer(b"whole")
        assert answered.wait(60)
        call.send(response(b"poison"))
        call.wait_hang_up()
        dropped.set()

    with system.gateway.client() as client:
        assert client.request("/extra/late").body == b"whole"
        answered.set()
        assert dropped.wait(60)
        for _ in range(20):
            assert client.request("/extra/after").body == b'{"served by":"legacy"}'


def test_a_connection_with_a_body_after_head_is_not_reused(system: System) -> None:
    """A body to HEAD, which the next response would be taken from."""
    system.legacy.on("/head-with-body")(lambda call: call.send(response(b"poison")))
    with system.gateway.client() as client:
        assert client.request("/head-with-body", method="HEAD").value(b"Content-Length") == b"6"
        assert client.request("/extra/after").body == b'{"served by":"legacy"}'


# Ends in the middle


@pytest.mark.parametrize("ending", ["hang_up", "reset"])
@pytest.mark.parametrize(
    "begun",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nha",
    ],
    ids=["length", "chunks", "within a chunk"],
)
def test_a_truncated_response_is_visibly_broken(system: System, begun: bytes, ending: str) -> None:
    path = f"/broken/{ending}/{len(begun)}"
    seen = threading.Event()

    @system.legacy.on(path)
    def dies(call: Call) -> None:
        call.send(begun)
        assert seen.wait(60)
        getattr(call, ending)()

    with system.gateway.client() as client:
        client.send(request(path))
        client.socket.recv(1, socket.MSG_PEEK)
        seen.set()
        with pytest.raises((BrokenMessage, ConnectionResetError)):
            client.response()
    assert system.gateway.access(path)[0]["status"] == 200
    assert system.gateway.metric("strangler_events_total", event="broken_responses") > 0


def test_a_reset_does_not_end_a_body_that_ends_with_its_connection(system: System) -> None:
    seen = threading.Event()

    @system.legacy.on("/broken/until-close")
    def dies(call: Call) -> None:
        call.send(b"HTTP/1.1 200 OK\r\n\r\nhalf")
        assert seen.wait(60)
        call.reset()

    with system.gateway.client() as client:
        client.send(request("/broken/until-close"))
        client.socket.recv(1, socket.MSG_PEEK)
        seen.set()
        with pytest.raises((BrokenMessage, ConnectionResetError)):
            client.response()


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\nContent-Le"])
def test_an_upstream_that_closes_before_its_head_is_a_502(system: System, begun: bytes) -> None:
    path = f"/headless/{len(begun)}"

    @system.legacy.on(path)
    def dies(call: Call) -> None:
        call.send(begun)
        call.hang_up()

    with system.gateway.client() as client:
        answer = client.request(path, method="POST", body=b"x")
        assert answer.status == 502
        assert "closed" in detail(answer)
        assert client.request("/headless").status == 200
    assert len(system.legacy.requests(path)) == 1


def test_a_response_before_the_body_passes_and_the_upload_is_dropped(system: System) -> None:
    system.legacy.on("/early", early=True)(lambda call: call.answer(b"enough", status=b"400 Bad Request"))
    with system.gateway.client() as client:
        client.send(request("/early", "Content-Length: 100000", method="POST") + b"x" * 1000)
        answer = client.response()
        assert (answer.status, answer.body) == (400, b"enough")
        # What was announced is read to its end, so the connection goes on.
        client.send(b"x" * 99000)
        assert client.request("/early/after").status == 200
    assert system.legacy.last("/early/after").connection != system.legacy.last("/early").connection


def test_an_upload_that_continues_after_the_response_is_cut_off(system: System) -> None:
    system.legacy.on("/early/endless", early=True)(lambda call: call.answer(b"enough"))
    with system.gateway.client() as client:
        client.send(request("/early/endless", "Content-Length: 1000000000", method="POST"))
        assert client.response().body == b"enough"
        with pytest.raises(ConnectionError):
            _send_on_and_on(client)


def _send_on_and_on(client: Client) -> None:
    for _ in range(10_000):
        client.send(b"x" * 65_536)


# Clients that hang up


def test_a_client_that_leaves_cancels_the_upstream_request(system: System) -> None:
    @system.legacy.on("/gone")
    def waits(call: Call) -> None:
        call.wait_hang_up()

    with system.gateway.client() as client:
        client.send(request("/gone"))
        system.legacy.last("/gone")
        client.reset()
    wait_for(lambda: "/gone" in system.legacy.hung_up, "the upstream request to be cancelled")
    assert system.gateway.access("/gone")[0]["status"] == 499


def test_a_client_that_leaves_during_a_download_cancels_the_upstream(system: System) -> None:
    @system.legacy.on("/gone/download")
    def endless(call: Call) -> None:
        call.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        call.wait_hang_up()

    with system.gateway.client() as client:
        client.send(request("/gone/download"))
        client.reader.until(b"first")
        client.reset()
    wait_for(lambda: "/gone/download" in system.legacy.hung_up, "the upstream request to be cancelled")
    assert system.gateway.access("/gone/download")[0]["status"] == 499


def test_a_client_that_leaves_during_an_upload_breaks_the_request(system: System) -> None:
    @system.legacy.on("/gone/upload", early=True)
    def reads(call: Call) -> None:
        with pytest.raises((BrokenMessage, ConnectionError)):
            call.body()
        call.upstream.hung_up.append(call.path)
        raise ConnectionError

    with system.gateway.client() as client:
        client.send(request("/gone/upload", "Content-Length: 1000", method="POST") + b"x" * 10)
        system.legacy.last("/gone/upload")
    wait_for(lambda: "/gone/upload" in system.legacy.hung_up, "the upstream request to be cancelled")
    assert system.gateway.access("/gone/upload")[0]["status"] == 499


def test_a_client_that_leaves_before_the_upstream_connects_is_forgotten(system: System) -> None:
    for _ in range(20):
        with system.gateway.client() as client:
            client.send(request("/gone/soon"))
            client.reset()
    assert ask(system.gateway.port, "/gone/after").status == 200


# Connections to upstreams


def idle_connection(client: Client, upstream: RecordingUpstream) -> None:
    """Leave the gateway one idle connection that the upstream will not answer on."""
    assert client.request("/warm").status == 200

    def dies(call: Call) -> None:
        if call.number == upstream.last("/warm").connection:
            call.hang_up()
        else:
            call.answer(b"fresh")

    upstream.scripts["/stale"] = dies


@pytest.fixture(scope="module")
def lone_gateway(tmp_path_factory: pytest.TempPathFactory, nobody: str) -> Iterator[GatewayProcess]:
    """A gateway with one worker, which each test gives an upstream of its own."""
    with GatewayProcess(tmp_path_factory.mktemp("lone"), before(nobody)) as gateway:
        yield gateway


def before(url: str) -> dict[str, Any]:
    """The configuration of a gateway before the one upstream at `url`."""
    return {"upstreams": {"legacy": {"endpoints": [url]}}, "default": "legacy"}


@pytest.fixture
def alone(lone_gateway: GatewayProcess, upstream: RecordingUpstream) -> Iterator[tuple[Client, RecordingUpstream]]:
    """A client of a gateway with one worker and one upstream, to which nothing has been sent."""
    lone_gateway.reload(before(upstream.url))
    with lone_gateway.client() as client:
        yield client, upstream


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_a_safe_request_on_a_stale_connection_is_resent(alone: tuple[Client, RecordingUpstream], method: str) -> None:
    client, upstream = alone
    idle_connection(client, upstream)
    assert client.request("/stale", method=method).status == 200
    assert len(upstream.requests("/stale")) == 2


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE"])
def test_an_unsafe_request_is_never_resent(alone: tuple[Client, RecordingUpstream], method: str) -> None:
    client, upstream = alone
    idle_connection(client, upstream)
    # Until the connection has proven to stay open, such a request gets a fresh one.
    wait_for(
        lambda: (
            client.request("/stale", method=method, body=b"once").status == 502 or not idle_connection(client, upstream)
        ),
        "the idle connection to be used",
    )
    stale = [one for one in upstream.requests("/stale") if one.connection == upstream.last("/warm").connection]
    assert len(stale) == 1
    assert upstream.last("/stale") == stale[0]


def test_a_safe_request_is_not_resent_once_a_response_has_begun(alone: tuple[Client, RecordingUpstream]) -> None:
    client, upstream = alone
    assert client.request("/warm").status == 200

    @upstream.on("/begun")
    def dies(call: Call) -> None:
        call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        call.hang_up()

    client.send(request("/begun"))
    with pytest.raises((BrokenMessage, ConnectionResetError)):
        client.response()
    assert len(upstream.requests("/begun")) == 1


def test_a_request_on_a_fresh_connection_is_not_resent(alone: tuple[Client, RecordingUpstream]) -> None:
    client, upstream = alone
    upstream.on("/fresh")(Call.hang_up)
    assert client.request("/fresh").status == 502
    assert len(upstream.requests("/fresh")) == 1


def test_an_idle_connection_that_the_upstream_closed_is_not_used(alone: tuple[Client, RecordingUpstream]) -> None:
    client, upstream = alone
    for _ in range(20):
        assert client.request("/idle", method="POST", body=b"x").status == 200
        upstream.hang_up_on_all()
        wait_for(lambda: not upstream.connected, "the upstream to see its connections end")
    assert len(upstream.requests("/idle")) == 20


def test_an_endpoint_that_refuses_connections_is_skipped(system: System) -> None:
    with system.gateway.client() as client:
        for _ in range(6):
            assert client.request("/half/x", method="POST", body=b"x").status == 200
    assert len(system.legacy.requests("/half/x")) == 6


def test_an_endpoint_that_refuses_connections_is_skipped_under_load(system: System) -> None:
    """However the turns of many requests at once interleave."""
    with ExitStack() as stack:
        clients = [stack.enter_context(system.gateway.client()) for _ in range(16)]
        for _ in range(10):
            for client in clients:
                client.send(request("/half/load"))
            assert [client.response().status for client in clients] == [200] * len(clients)


def test_a_request_is_a_502_when_every_endpoint_refuses_connections(system: System) -> None:
    with system.gateway.client() as client:
        for method in ("GET", "POST"):
            answer = client.request("/dead/x", method=method, body=b"x")
            assert answer.status == 502
            assert "dead" in detail(answer)


# Time


def test_a_response_timeout_is_a_504(system: System) -> None:
    system.legacy.on("/impatient/response")(Call.wait_hang_up)
    with system.gateway.client() as client:
        answer = client.request("/impatient/response")
        assert answer.status == 504
        wait_for(lambda: "/impatient/response" in system.legacy.hung_up, "the upstream request to be cancelled")
        assert client.request("/impatient/ok").status == 200


def test_a_stalled_response_body_is_aborted(system: System) -> None:
    @system.legacy.on("/impatient/idle")
    def stops(call: Call) -> None:
        call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        call.wait_hang_up()

    with system.gateway.client() as client:
        client.send(request("/impatient/idle"))
        with pytest.raises((BrokenMessage, ConnectionResetError)):
            client.response()
    wait_for(lambda: "/impatient/idle" in system.legacy.hung_up, "the upstream request to be cancelled")


def test_a_stalled_upload_is_a_408(system: System) -> None:
    @system.legacy.on("/impatient/upload", early=True)
    def waits(call: Call) -> None:
        call.wait_hang_up()

    with system.gateway.client() as client:
        client.send(request("/impatient/upload", "Content-Length: 10", method="POST") + b"half")
        answer = client.response()
        assert answer.status == 408
        assert answer.value(b"Connection") == b"close"
        assert client.is_closed()
    wait_for(lambda: "/impatient/upload" in system.legacy.hung_up, "the upstream request to be cancelled")


@contextmanager
def full_backlog() -> Iterator[int]:
    """A port whose connections are neither accepted nor refused: the queue of the listening socket is full."""
    with socket.socket() as listening, ExitStack() as waiting:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        port = listening.getsockname()[1]
        for _ in range(4):
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
        yield port


def test_a_connect_timeout_is_a_504(start: Start) -> None:
    with full_backlog() as port:
        gateway = start(
            {
                "upstreams": {"slow": {"endpoints": [f"http://127.0.0.1:{port}"], "timeouts": SHORT}},
                "default": "slow",
            }
        )
        with gateway.client() as client:
            answer = client.request("/")
            assert answer.status == 504
            assert "accept" in detail(answer)


def test_a_connect_timeout_moves_on_to_the_next_endpoint(start: Start, upstream: RecordingUpstream) -> None:
    with full_backlog() as port:
        endpoints = [f"http://127.0.0.1:{port}", upstream.url]
        gateway = start({"upstreams": {"u": {"endpoints": endpoints, "timeouts": SHORT}}, "default": "u"})
        with gateway.client() as client:
            assert [client.request("/", method="POST", body=b"x").status for _ in range(3)] == [200] * 3


# A narrow upstream


def test_requests_beyond_the_connection_queue_are_refused(start: Start, upstream: RecordingUpstream) -> None:
    go_on = threading.Event()

    @upstream.on("/slow")
    def slow(call: Call) -> None:
        assert go_on.wait(60)
        call.answer(b"done")

    narrow = {"endpoints": [upstream.url], "connections": 2, "queue": 3}
    gateway = start({"upstreams": {"narrow": narrow}, "default": "narrow"})
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(ask, gateway.port, "/slow") for _ in range(8)]
        # Two are with the upstream, three wait, so three are refused at once.
        wait_for(lambda: sum(answer.done() for answer in answers) == 3, "three to be refused")
        refused = [answer.result() for answer in answers if answer.done()]
        assert [answer.status for answer in refused] == [503] * 3
        assert all(answer.value(b"Retry-After") for answer in refused)
        wait_for(lambda: len(upstream.requests("/slow")) == 2, "two to be with the upstream")
        go_on.set()
        assert sorted(answer.result().status for answer in answers) == [200] * 5 + [503] * 3
    assert len({one.connection for one in upstream.requests("/slow")}) == 2


def test_a_client_that_gives_up_waiting_leaves_its_place(start: Start, upstream: RecordingUpstream) -> None:
    go_on = threading.Event()

    @upstream.on("/slow")
    def slow(call: Call) -> None:
        assert go_on.wait(60)
        call.answer(b"done")

    narrow = {"endpoints": [upstream.url], "connections": 1, "queue": 1}
    gateway = start({"upstreams": {"narrow": narrow}, "default": "narrow"})
    with gateway.client() as first, gateway.client() as second, gateway.client() as third:
        first.send(request("/slow"))
        upstream.last("/slow")
        second.send(request("/given-up"))
        second.reset()
        gateway.access("/given-up")
        third.send(request("/patient"))
        go_on.set()
        assert first.response().status == 200
        assert third.response().status == 200
    assert upstream.requests("/given-up") == []
