"""Upgrades byte by byte: the handshake, what comes with it, how each direction ends, and what a refused one leaves."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.e2e.conftest import Start, provider
from tests.e2e.gateway_process import GatewayProcess, memory
from tests.e2e.raw_http import Client, Response, request
from tests.e2e.recording_upstream import Call, RecordingUpstream, Script
from tests.e2e.socket_buffers import ENDLESS, MIB
from tests.e2e.tokens import Issuer
from tests.e2e.waiting import wait_for

KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
ASKED = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", KEY)
HTTP_2 = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA")
SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n"
)

GOING_AWAY = b"\x88\x02\x03\xe9"
"""The close frame of a WebSocket that the gateway itself ends."""


def configuration(upstream: RecordingUpstream, **more: Any) -> dict[str, Any]:
    return {"upstreams": {"legacy": {"endpoints": [upstream.url], **more}}, "default": "legacy"}


def echo(call: Call) -> None:
    """Switch, and send back what comes until the client says no more."""
    call.send(SWITCH)
    while data := call.reader.some():
        call.send(data)
    call.hang_up()


def upgraded(client: Client, target: str = "/socket", *fields: str) -> Response:
    client.send(request(target, *ASKED, *fields))
    answer = client.head()
    assert answer.status == 101, answer
    return answer


@pytest.fixture(scope="module")
def recording() -> Iterator[RecordingUpstream]:
    with RecordingUpstream("legacy") as upstream:
        yield upstream


@pytest.fixture
def upstream(recording: RecordingUpstream) -> Iterator[RecordingUpstream]:
    """The upstream that all tests here share, as it was at the beginning."""
    recording.received.clear()
    recording.hung_up.clear()
    recording.scripts = {"/socket": echo}
    yield recording
    assert not recording.failed, recording.failed


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, recording: RecordingUpstream) -> Iterator[GatewayProcess]:
    """The gateway for tests that leave it as it is."""
    with GatewayProcess(tmp_path_factory.mktemp("gateway"), configuration(recording)) as running:
        yield running


def test_the_handshake_passes_unchanged_both_ways(gateway: GatewayProcess, upstream: RecordingUpstream) -> None:
    with gateway.client() as client:
        answer = upgraded(
            client,
            "/socket",
            "Sec-WebSocket-Protocol: chat, superchat",
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x-other",
            "Origin: https://shop.example",
        )
        assert answer.values(b"Upgrade") == [b"websocket"]
        assert answer.values(b"Connection") == [b"Upgrade"]
        assert answer.values(b"Sec-WebSocket-Accept") == [b"x"]
        assert answer.value(b"X-Request-Id")
        client.send(b"anything at all")
        assert client.reader.exactly(15) == b"anything at all"
    seen = upstream.last("/socket")
    assert seen.values(b"Upgrade") == [b"websocket"]
    assert seen.values(b"Connection") == [b"Upgrade"]
    assert seen.values(b"Sec-WebSocket-Protocol") == [b"chat, superchat"]
    assert seen.values(b"Sec-WebSocket-Extensions") == [b"permessage-deflate; client_max_window_bits, x-other"]
    assert seen.values(b"Sec-WebSocket-Key") == [b"dGhlIHNhbXBsZSBub25jZQ=="]
    assert seen.values(b"Origin") == [b"https://shop.example"]
    assert seen.values(b"X-Forwarded-Proto") == [b"http"]


def test_bytes_sent_with_the_handshake_are_not_lost(gateway: GatewayProcess, upstream: RecordingUpstream) -> None:
    @upstream.on("/early")
    def early(call: Call) -> None:
        call.send(SWITCH + b"from upstream")
        assert call.reader.exactly(11) == b"from client"
        call.send(b", done")
        call.wait_hang_up()

    with gateway.client() as client:
        client.send(request("/early", *ASKED) + b"from client")
        assert client.head().status == 101
        assert client.reader.exactly(19) == b"from upstream, done"


def test_bytes_after_a_pipelined_handshake_are_not_lost(gateway: GatewayProcess, upstream: RecordingUpstream) -> None:
    asked, go_on = threading.Event(), threading.Event()

    @upstream.on("/slow")
    def slow(call: Call) -> None:
        asked.set()
        assert go_on.wait(60)
        call.answer(b"first")

    with gateway.client() as client:
        client.send(request("/slow") + request("/socket", *ASKED) + b"GET / HTTP/1.1\r\n\r\n")
        assert asked.wait(60)
        go_on.set()
        assert client.response().body == b"first"
        assert client.head().status == 101
        assert client.reader.exactly(18) == b"GET / HTTP/1.1\r\n\r\n"


# How it ends


def test_each_direction_of_a_tunnel_ends_separately(gateway: GatewayProcess, upstream: RecordingUpstream) -> None:
    @upstream.on("/half")
    def half(call: Call) -> None:
        call.send(SWITCH)
        assert call.reader.rest() == b"all that the client says"
        call.send(b"all that the upstream says")
        call.hang_up()

    with gateway.client() as client:
        upgraded(client, "/half")
        client.send(b"all that the client says")
        client.socket.shutdown(socket.SHUT_WR)
        assert client.reader.rest() == b"all that the upstream says"
    wait_for(lambda: gateway.metric("strangler_tunnels") == 0, "the tunnels to be gone")


def test_a_half_closed_upstream_still_gets_the_client_data(
    gateway: GatewayProcess, upstream: RecordingUpstream
) -> None:
    heard: list[bytes] = []

    @upstream.on("/half")
    def half(call: Call) -> None:
        call.send(SWITCH + b"goodbye")
        call.socket.shutdown(socket.SHUT_WR)
        heard.append(call.reader.rest())
        call.hang_up()

    with gateway.client() as client:
        upgraded(client, "/half")
        assert client.reader.rest() == b"goodbye"
        client.send(b"one more thing")
    wait_for(lambda: heard == [b"one more thing"], "what the client says last")


def test_an_idle_half_closed_tunnel_is_closed(start: Start, upstream: RecordingUpstream) -> None:
    @upstream.on("/half")
    def half(call: Call) -> None:
        call.send(SWITCH)
        call.wait_hang_up()
        assert over.wait(60)

    over = threading.Event()
    gateway = start(configuration(upstream, timeouts={"idle": "300ms"}))
    with gateway.client() as client:
        upgraded(client, "/half")
        client.socket.shutdown(socket.SHUT_WR)
        assert client.reader.rest() == GOING_AWAY
    over.set()
    closed = {"event": "tunnels_closed", "label": "idle"}
    wait_for(lambda: gateway.metric("strangler_events_total", **closed) == 1, "the closed tunnel in the metrics")


@pytest.mark.parametrize("who", ["client", "upstream"])
def test_a_reset_of_one_end_resets_the_other(gateway: GatewayProcess, upstream: RecordingUpstream, who: str) -> None:
    switched, broken = threading.Event(), threading.Event()

    @upstream.on("/broken")
    def script(call: Call) -> None:
        call.send(SWITCH)
        if who == "upstream":
            assert switched.wait(60)
            call.reset()
            return
        try:
            call.reader.rest()
        except ConnectionResetError:
            broken.set()

    with gateway.client() as client:
        upgraded(client, "/broken")
        switched.set()
        if who == "client":
            client.reset()
            assert broken.wait(60), "the upstream takes it for a proper end"
        else:
            with pytest.raises(ConnectionResetError):
                client.reader.rest()


def test_an_idle_tunnel_is_closed(start: Start, upstream: RecordingUpstream) -> None:
    gateway = start(configuration(upstream, timeouts={"tunnel": "600ms", "idle": "200ms"}))
    with gateway.client() as client:
        upgraded(client)
        for _ in range(10):
            # Longer than `idle` in all, and `tunnel` begins again with each byte.
            client.send(b"x")
            assert client.reader.exactly(1) == b"x"
            client.socket.settimeout(0.1)
            with pytest.raises(TimeoutError):
                client.socket.recv(1)
        client.socket.settimeout(60)
        assert client.is_closed()


def test_a_reload_closes_no_tunnel(start: Start, upstream: RecordingUpstream) -> None:
    gateway = start(configuration(upstream))
    with gateway.client() as client, RecordingUpstream("other") as other:
        upgraded(client)
        gateway.reload(configuration(other))
        with gateway.client() as next_one:
            assert next_one.request("/next").body == b'{"served by":"other"}'
        client.send(b"still there")
        assert client.reader.exactly(11) == b"still there"


def test_a_drain_waits_for_tunnels_and_then_closes_them(start: Start, upstream: RecordingUpstream) -> None:
    gateway = start({**configuration(upstream), "shutdown": {"drain": "1500ms"}})
    with gateway.client() as client, gateway.client() as idle:
        upgraded(client)
        assert idle.request("/idle").status == 200
        gateway.process.terminate()
        assert idle.is_closed()
        client.send(b"still there")
        assert client.reader.exactly(11) == b"still there"
        # An end, not an error.
        assert client.reader.rest() == b""
        assert gateway.process.wait(60) == 0


def test_a_drain_ends_with_the_last_tunnel(start: Start, upstream: RecordingUpstream) -> None:
    gateway = start({**configuration(upstream), "shutdown": {"drain": "10m"}})
    with gateway.client() as client:
        upgraded(client)
        gateway.process.terminate()
        wait_for(lambda: gateway.events("draining"), "the drain")
        client.send(b"still there")
        assert client.reader.exactly(11) == b"still there"
    assert gateway.process.wait(60) == 0


# What is counted and written


def test_tunnels_are_counted_and_logged(start: Start, upstream: RecordingUpstream) -> None:
    gateway = start(configuration(upstream))
    with gateway.client() as client:
        upgraded(client)
        client.send(b"x" * 1000)
        assert client.reader.exactly(1000) == b"x" * 1000
        assert gateway.metric("strangler_tunnels") == 1
        assert gateway.metric("strangler_client_connections") == 1
        assert gateway.metric("strangler_tunnel_bytes_total", sender="client") == 1000
        assert gateway.metric("strangler_tunnel_bytes_total", sender="upstream") == 1000
        assert gateway.metric("strangler_requests_total", status="101", upstream="legacy") == 1
    (line,) = gateway.access("/socket")
    assert line["status"] == 101
    assert line["bytes"] == 1000
    wait_for(lambda: gateway.metric("strangler_tunnels") == 0, "the tunnel to be gone")
    assert gateway.metric("strangler_requests_total", status="101") == 1
    assert gateway.metric("strangler_events_total", event="tunnels_closed", label="client") == 1


def test_tunnels_do_not_use_up_the_connection_limit(start: Start, upstream: RecordingUpstream) -> None:
    gateway = start(configuration(upstream, connections=1, queue=0))
    clients = [gateway.client() for _ in range(4)]
    for client in clients:
        upgraded(client)
    with gateway.client() as ordinary:
        assert ordinary.request("/ordinary").status == 200
    for client in clients:
        client.socket.close()


@pytest.mark.parametrize("slow", ["client", "upstream"])
def test_a_slow_end_of_a_tunnel_slows_the_other(
    gateway: GatewayProcess, upstream: RecordingUpstream, slow: str
) -> None:
    size, piece = ENDLESS, bytes(range(256)) * 256
    go_on = threading.Event()
    sent = 0

    def send_all(connection: socket.socket) -> None:
        nonlocal sent
        while sent < size:
            sent += connection.send(piece[sent % len(piece) :])

    def read_all(exactly: Callable[[int], bytes]) -> None:
        for _ in range(size // len(piece)):
            assert exactly(len(piece)) == piece

    @upstream.on("/much")
    def much(call: Call) -> None:
        call.send(SWITCH)
        if slow == "client":
            send_all(call.socket)
        else:
            assert go_on.wait(60)
            read_all(call.reader.exactly)
        call.send(b"done")
        call.wait_hang_up()

    (worker,) = gateway.worker_pids()
    with gateway.client(receive_buffer=65_536) as client:
        upgraded(client, "/much")
        before = memory(worker)
        sending = threading.Thread(target=send_all, args=(client.socket,), daemon=True)
        if slow == "upstream":
            sending.start()

        def stuck() -> bool:
            seen = sent
            return 0 < seen < size and not go_on.wait(0.3) and sent == seen

        wait_for(stuck, "the sender to be held back")
        assert memory(worker) - before < 16 * MIB
        go_on.set()
        if slow == "client":
            read_all(client.reader.exactly)
        assert client.reader.exactly(4) == b"done"


# Refusals


def test_after_a_refused_upgrade_the_connection_goes_on(gateway: GatewayProcess, upstream: RecordingUpstream) -> None:
    upstream.on("/refused")(lambda call: call.answer(b"no", b"Upgrade: websocket", status=b"426 Upgrade Required"))
    with gateway.client() as client:
        # What comes behind it, in whatever pieces, is HTTP.
        client.send(request("/refused", *ASKED) + request("/next/1") + request("/next/2")[:20])
        assert client.response().status == 426
        assert client.response().status == 200
        client.send(request("/next/2")[20:])
        assert client.response().status == 200
        assert client.request("/next/3").status == 200
        upgraded(client)
        client.send(b"and now it switches")
        assert client.reader.exactly(19) == b"and now it switches"


def test_bytes_after_a_refused_handshake_are_read_as_http(gateway: GatewayProcess, upstream: RecordingUpstream) -> None:
    upstream.on("/refused")(lambda call: call.answer(b"no", status=b"403 Forbidden"))
    with gateway.client() as client:
        client.send(request("/refused", *ASKED) + b"\x81\x85\x00\x00\x00\x00hello")
        assert client.response().status == 403
        assert client.response().status == 400
        assert client.is_closed()


@pytest.mark.parametrize("asked", [ASKED, HTTP_2], ids=["websocket", "h2c"])
def test_an_upgrade_with_a_body_is_an_ordinary_request(
    gateway: GatewayProcess, upstream: RecordingUpstream, asked: tuple[str, ...]
) -> None:
    large = b"x" * 300_000
    for framing, body, received in (
        ("Content-Length: 5", b"hello", b"hello"),
        ("Content-Length: 0", b"", b""),
        ("Transfer-Encoding: chunked", b"3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nX: y\r\n\r\n", b"hello"),
        (f"Content-Length: {len(large)}", large, large),
    ):
        with gateway.client() as client:
            client.send(request("/post", *asked, framing, method="POST") + body + request("/next"))
            assert client.response().status == 200
            assert client.response().status == 200
        seen = upstream.last("/post")
        assert seen.body == received
        assert seen.values(b"Upgrade") == seen.values(b"Connection") == []


def test_a_malformed_body_behind_an_upgrade_is_refused(gateway: GatewayProcess) -> None:
    with gateway.client() as client:
        client.send(request("/post", *HTTP_2, "Transfer-Encoding: chunked", method="POST") + b"5\r\nhelloX")
        assert client.response().status == 400
        assert client.is_closed()


def test_a_body_behind_an_upgrade_counts_against_the_limit(start: Start, upstream: RecordingUpstream) -> None:
    gateway = start(configuration(upstream) | {"limits": {"body_bytes": 4}})
    for framing, body in (("Content-Length: 5", b"hello"), ("Transfer-Encoding: chunked", b"5\r\nhello\r\n0\r\n\r\n")):
        with gateway.client() as client:
            client.send(request("/post", *HTTP_2, framing, method="POST") + body)
            assert client.response().status == 413
            assert client.is_closed()


@pytest.mark.parametrize(
    "fields",
    [
        HTTP_2,
        ("Connection: Upgrade", "Upgrade: HTTP/2.0, TLS/1.2"),
        ("Connection: Upgrade", "Upgrade: unheard-of"),
        ("Upgrade: websocket",),
        ("Connection: keep-alive", "Upgrade: websocket"),
    ],
)
def test_a_protocol_that_is_not_allowed_makes_an_ordinary_request(
    gateway: GatewayProcess, upstream: RecordingUpstream, fields: tuple[str, ...]
) -> None:
    with gateway.client() as client:
        client.send(request("/plain", *fields) + request("/plain/next"))
        assert client.response().status == 200
        assert client.response().status == 200
    seen = upstream.last("/plain")
    for name in (b"Upgrade", b"HTTP2-Settings", b"Connection"):
        assert seen.values(name) == []


def test_only_the_allowed_protocols_are_offered_to_the_upstream(start: Start, upstream: RecordingUpstream) -> None:
    gateway = start(configuration(upstream, upgrades=["echo/1", "WebSocket"]))
    with gateway.client() as client:
        assert client.request("/offered", "Connection: upgrade", "Upgrade: h2c, Echo/1 ,x,websocket").status == 200
    assert upstream.last("/offered").values(b"Upgrade") == [b"Echo/1, websocket"]

    @upstream.on("/echo")
    def script(call: Call) -> None:
        call.send(b"HTTP/1.1 101 Anything\r\nconnection: upgrade\r\nupgrade: ECHO/1\r\nContent-Length: 0\r\n\r\nhello")
        call.wait_hang_up()

    with gateway.client() as client:
        client.send(request("/echo", "Connection: upgrade", "Upgrade: echo/1"))
        answer = client.head()
        assert (answer.status, answer.values(b"Content-Length")) == (101, [])
        assert client.reader.exactly(5) == b"hello"


def test_upgrades_can_be_disabled_for_an_upstream(start: Start, upstream: RecordingUpstream) -> None:
    gateway = start(configuration(upstream, upgrades=[]))
    with gateway.client() as client:
        assert client.request("/plain", *ASKED).status == 200
    assert upstream.last("/plain").values(b"Upgrade") == []


UNASKED = {
    "nothing was asked": ((), SWITCH),
    "another protocol": (ASKED, SWITCH.replace(b"websocket", b"h2c")),
    "more than was asked": (ASKED, SWITCH.replace(b"websocket", b"websocket, h2c")),
    "no protocol": (ASKED, SWITCH.replace(b"Upgrade: websocket\r\n", b"")),
    "no option": (ASKED, SWITCH.replace(b"Connection: Upgrade\r\n", b"")),
    "a length": (ASKED, SWITCH.replace(b"\r\n\r\n", b"\r\nContent-Length: 3\r\n\r\nabc")),
    "a coding": (ASKED, SWITCH.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")),
}


@pytest.mark.parametrize("case", UNASKED)
def test_an_unrequested_101_is_a_502(gateway: GatewayProcess, upstream: RecordingUpstream, case: str) -> None:
    fields, answer = UNASKED[case]

    def script(call: Call) -> None:
        call.send(answer)
        call.wait_hang_up()

    upstream.on("/switch")(script)
    with gateway.client() as client:
        assert client.request("/switch", *fields).status == 502
        assert client.request("/next").status == 200
    wait_for(lambda: "/switch" in upstream.hung_up, "the gateway to give the connection up")


# Who may


@pytest.fixture
def guarded(start: Start, upstream: RecordingUpstream) -> GatewayProcess:
    """Routes that ask for a token: in the header alone, or in other places as well."""

    def route(name: str, **more: Any) -> dict[str, Any]:
        auth = {"provider": "shop", **more}
        return {"name": name, "match": {"path": f"/{name}"}, "upstream": "legacy", "auth": auth}

    script: Script = echo
    for path in ("/strict", "/query", "/entry", "/maybe", "/pair", "/kubernetes"):
        upstream.on(path)(script)
    return start(
        {
            **configuration(upstream),
            "auth": {"providers": {"shop": provider("jwks.json")}},
            "routes": [
                route("strict"),
                route("query", upgrade_token="query:access_token"),
                route("entry", upgrade_token=["subprotocol:bearer"]),
                route("pair", upgrade_token="subprotocol-pair:bearer"),
                route("kubernetes", upgrade_token="kubernetes"),
                route("maybe", upgrade_token=["subprotocol:bearer", "query:access_token"], required=False),
            ],
        }
    )


def refused(gateway: GatewayProcess, target: str, *fields: str) -> int:
    with gateway.client() as client:
        return client.request(target, *ASKED, *fields).status


def test_an_upgrade_without_the_required_token_is_refused(
    guarded: GatewayProcess, upstream: RecordingUpstream, issuer: Issuer
) -> None:
    expired = issuer.token(exp=1)
    for path in ("/strict", "/query", "/entry"):
        assert refused(guarded, path) == 401
    assert refused(guarded, f"/strict?access_token={issuer.token()}") == 401
    assert refused(guarded, "/strict", f"Sec-WebSocket-Protocol: bearer.{issuer.token()}") == 401
    assert refused(guarded, f"/query?access_token={expired}") == 401
    assert refused(guarded, "/query?access_token=") == 401
    assert refused(guarded, "/entry", f"Sec-WebSocket-Protocol: chat, bearer.{expired}") == 401
    assert refused(guarded, f"/maybe?access_token={expired}") == 401
    # Nobody prefers one of two tokens silently.
    assert refused(guarded, f"/query?access_token={issuer.token()}", issuer.bearer()) == 400
    assert refused(guarded, f"/query?access_token={issuer.token()}&access_token={issuer.token()}") == 400
    both = f"Sec-WebSocket-Protocol: bearer.{issuer.token()}"
    assert refused(guarded, f"/maybe?access_token={issuer.token()}", both) == 400
    assert not upstream.received


def test_a_token_in_the_header_is_accepted_on_any_upgrade(
    guarded: GatewayProcess, upstream: RecordingUpstream, issuer: Issuer
) -> None:
    for path in ("/strict", "/query", "/entry", "/maybe"):
        with guarded.client() as client:
            upgraded(client, path, issuer.bearer("user-3"))
        assert upstream.last(path).values(b"X-Auth-Subject") == [b"user-3"]
        assert upstream.last(path).values(b"Authorization") == []


def test_a_token_in_the_query_is_not_forwarded(
    guarded: GatewayProcess, upstream: RecordingUpstream, issuer: Issuer
) -> None:
    token = issuer.token("user-4")
    with guarded.client() as client:
        upgraded(client, f"/query?a=%20&&access_token={token}&b")
    seen = upstream.last("/query")
    assert seen.target == b"/query?a=%20&&b"
    assert seen.values(b"X-Auth-Subject") == [b"user-4"]
    with guarded.client() as client:
        upgraded(client, f"/maybe?access%5Ftoken={token}")
    assert upstream.last("/maybe").target == b"/maybe"
    guarded.access("/maybe")
    signature = token.rpartition(".")[2]
    everything = guarded.events_text() + (guarded.folder / "stdout").read_text()
    assert signature not in everything
    assert all(signature.encode() not in one.head for one in upstream.received)


def test_a_token_among_the_subprotocols_is_not_forwarded(
    guarded: GatewayProcess, upstream: RecordingUpstream, issuer: Issuer
) -> None:
    token = issuer.token("user-5")
    with guarded.client() as client:
        upgraded(client, "/entry", f"Sec-WebSocket-Protocol: chat,bearer.{token} , superchat")
    seen = upstream.last("/entry")
    assert seen.values(b"Sec-WebSocket-Protocol") == [b"chat, superchat"]
    assert seen.values(b"X-Auth-Subject") == [b"user-5"]
    with guarded.client() as client:
        upgraded(client, "/maybe", f"Sec-WebSocket-Protocol: bearer.{token}", "Sec-WebSocket-Protocol: chat")
    assert upstream.last("/maybe").values(b"Sec-WebSocket-Protocol") == [b"chat"]
    assert all(token.encode() not in one.head for one in upstream.received)


def test_a_token_in_a_subprotocol_of_either_form_is_not_forwarded(
    guarded: GatewayProcess, upstream: RecordingUpstream, issuer: Issuer
) -> None:
    token = issuer.token("user-6")
    written = base64.urlsafe_b64encode(token.encode()).rstrip(b"=").decode()
    kubernetes = f"base64url.bearer.authorization.k8s.io.{written}"
    for path, offered, left in (
        ("/pair", f"bearer, {token}, chat", b"bearer, chat"),
        ("/pair", f"bearer,{token}", b"bearer"),
        ("/kubernetes", f"{kubernetes}, base64.binary.k8s.io", b"base64.binary.k8s.io"),
    ):
        with guarded.client() as client:
            upgraded(client, path, f"Sec-WebSocket-Protocol: {offered}")
        seen = upstream.last(path)
        assert seen.values(b"Sec-WebSocket-Protocol") == [left]
        assert seen.values(b"X-Auth-Subject") == [b"user-6"]
        guarded.access(path)
    assert refused(guarded, "/pair", "Sec-WebSocket-Protocol: bearer, chat") == 401
    assert refused(guarded, "/pair", f"Sec-WebSocket-Protocol: bearer.{token}") == 401
    assert refused(guarded, "/kubernetes", f"Sec-WebSocket-Protocol: {kubernetes}!") == 401
    signature = token.rpartition(".")[2]
    everything = guarded.events_text() + (guarded.folder / "stdout").read_text()
    for secret in (signature, written[-40:]):
        assert secret not in everything
        assert all(secret.encode() not in one.head for one in upstream.received)


def test_other_token_places_are_read_only_for_upgrades(
    guarded: GatewayProcess, upstream: RecordingUpstream, issuer: Issuer
) -> None:
    del upstream.scripts["/maybe"]
    with guarded.client() as client:
        assert client.request(f"/query?access_token={issuer.token()}").status == 401
        for incomplete in (ASKED[:2], ASKED[:3], (*ASKED[:3], "Sec-WebSocket-Key: eA==")):
            assert client.request(f"/query?access_token={issuer.token()}", *incomplete).status == 401
        assert client.request("/maybe?access_token=mine").status == 200
    assert upstream.last("/maybe").target == b"/maybe?access_token=mine"


def test_identity_can_not_be_forged_on_an_upgrade(gateway: GatewayProcess, upstream: RecordingUpstream) -> None:
    with gateway.client() as client:
        upgraded(client, "/socket", "X-Auth-Subject: admin", "x_auth_subject: admin")
    assert b"admin" not in upstream.last("/socket").head
