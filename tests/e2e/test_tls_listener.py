"""Clients over TLS: versions, certificates that change, client certificates and what rules make of them."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.e2e.certificates import Authority, place
from tests.e2e.conftest import Start
from tests.e2e.gateway_process import GatewayProcess, memory
from tests.e2e.raw_http import Client, request
from tests.e2e.recording_upstream import Call, RecordingUpstream
from tests.e2e.socket_buffers import ENDLESS, MIB
from tests.e2e.waiting import wait_for

HOST = "shop.example"
DEVICE = {"common_name": "device-7", "organization_name": "Acme"}
PAST = {
    "not_before": datetime.now(UTC) - timedelta(days=2),
    "not_after": datetime.now(UTC) - timedelta(days=1),
}


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def certificate(authority: Authority, tmp_path: Path) -> trustme.LeafCert:
    return authority.write(tmp_path, "shop", HOST)


def configuration(upstream: RecordingUpstream, tls: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "upstreams": {"legacy": {"endpoints": [upstream.url]}},
        "default": "legacy",
        "tls": {"certificate": "shop.crt", "key": "shop.key", **(tls or {})},
        **more,
    }


def route(name: str, **auth: Any) -> dict[str, Any]:
    return {"name": name, "match": {"path": f"/{name}/**"}, "upstream": "legacy", "auth": auth}


@pytest.mark.usefixtures("certificate")
def test_requests_over_tls_are_answered_and_upstreams_told(
    start: Start, upstream: RecordingUpstream, authority: Authority
) -> None:
    gateway = start(configuration(upstream))
    with gateway.client(context=authority.client()) as client:
        assert client.request("/secure").status == 200
        assert client.request("/secure/again", method="POST", body=b"x" * 100_000).status == 200
        assert isinstance(client.socket, ssl.SSLSocket)
        assert client.socket.version() == "TLSv1.3"
    seen = upstream.last("/secure")
    assert seen.values(b"X-Forwarded-Proto") == [b"https"]
    assert len(upstream.last("/secure/again").body) == 100_000


@pytest.mark.usefixtures("certificate")
def test_tls_1_2_is_the_oldest_version(start: Start, upstream: RecordingUpstream, authority: Authority) -> None:
    gateway = start(configuration(upstream))
    context = authority.client()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with gateway.client(context=context) as client:
        assert client.request("/older").status == 200
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1_1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        gateway.client(context=context)
    failed = {"event": "tls_handshakes_failed", "label": "unsupported protocol"}
    wait_for(lambda: gateway.metric("strangler_events_total", **failed) == 1, "the failed handshake in the metrics")


@pytest.mark.usefixtures("certificate")
def test_a_request_without_tls_is_refused_and_affects_no_other(
    start: Start, upstream: RecordingUpstream, authority: Authority
) -> None:
    gateway = start(configuration(upstream))
    with gateway.client() as plain:
        plain.send(request("/plain"))
        answer = plain.response()
        assert answer.status == 400
        assert b"This port serves HTTPS" in answer.body
        assert plain.is_closed()
    with gateway.client(context=authority.client()) as client:
        assert client.request("/next").status == 200
    assert not upstream.requests("/plain")


@pytest.mark.usefixtures("certificate")
def test_a_stalled_handshake_is_closed(start: Start, upstream: RecordingUpstream) -> None:
    gateway = start(configuration(upstream, limits={"header_timeout": "300ms"}))
    with gateway.client() as silent:
        assert silent.is_closed()
    with gateway.client() as begun:
        begun.send(b"\x16\x03\x01\x02\x00\x01")
        assert begun.is_closed()


@pytest.mark.usefixtures("certificate")
def test_connections_beyond_the_limit_are_rejected(
    start: Start, upstream: RecordingUpstream, authority: Authority
) -> None:
    gateway = start(configuration(upstream, limits={"connections": 2}))
    with gateway.client() as shaking, gateway.client(context=authority.client()) as client:
        assert client.request("/within").status == 200
        with gateway.client() as beyond:
            assert beyond.is_closed()
        shaking.send(b"\x16\x03\x01")

    wait_for(lambda: is_served(gateway, authority), "an answer once the others are gone")


def is_served(gateway: GatewayProcess, authority: Authority) -> bool:
    """Whether a new connection gets an answer."""
    try:
        with gateway.client(context=authority.client()) as later:
            return later.request("/later").status == 200
    except OSError:
        return False


class Load:
    """Requests over kept-alive connections and over new ones, until stopped."""

    def __init__(self, port: int, context: Callable[[], ssl.SSLContext]) -> None:
        self.count = 0
        self.errors: list[BaseException] = []
        self.stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(port, context, keep)) for keep in (True, False)]

    def _run(self, port: int, context: Callable[[], ssl.SSLContext], keep: bool) -> None:
        try:
            while not self.stop.is_set():
                with Client(port, context=context()) as client:
                    while not self.stop.is_set():
                        assert client.request("/load").status == 200
                        self.count += 1
                        if not keep:
                            break
        except BaseException as error:  # it is judged by the test
            self.errors.append(error)

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self._threads:
            thread.join(20)


def served_certificate(gateway: GatewayProcess, authority: Authority) -> bytes | None:
    with gateway.client(context=authority.client()) as client:
        assert isinstance(client.socket, ssl.SSLSocket)
        return client.socket.getpeercert(binary_form=True)


@pytest.mark.usefixtures("certificate")
def test_a_renewed_certificate_is_loaded_under_load_without_loss(
    start: Start, upstream: RecordingUpstream, authority: Authority, tmp_path: Path
) -> None:
    gateway = start(configuration(upstream), workers=2)
    with gateway.client(context=authority.client()) as kept, Load(gateway.port, authority.client) as load:
        assert kept.request("/kept").status == 200
        for _ in range(3):
            before, version = served_certificate(gateway, authority), gateway.version()
            place(tmp_path, "shop", authority.issue(HOST))
            wait_for(lambda version=version: gateway.version() != version, "the renewed certificate")
            gateway.wait_ready()
            assert served_certificate(gateway, authority) != before
            count = load.count
            wait_for(lambda count=count: load.count > count + 20, "requests after the renewal")
        assert kept.request("/kept").status == 200
    assert not load.errors


@pytest.mark.usefixtures("certificate")
def test_a_certificate_without_its_key_changes_nothing(
    start: Start, upstream: RecordingUpstream, authority: Authority, tmp_path: Path
) -> None:
    gateway = start(configuration(upstream))
    before = served_certificate(gateway, authority)
    renewed = authority.issue(HOST)
    (tmp_path / "shop.crt").write_bytes(renewed.cert_chain_pems[0].bytes())
    wait_for(lambda: not gateway.status()["configuration"]["valid"], "the problem at /status")
    (problem,) = gateway.status()["configuration"]["problems"]
    assert "is not the key of the certificate" in problem
    assert served_certificate(gateway, authority) == before
    (tmp_path / "shop.key").write_bytes(renewed.private_key_pem.bytes())
    wait_for(lambda: gateway.status()["configuration"]["valid"], "the end of the problem")
    gateway.wait_ready()
    assert served_certificate(gateway, authority) != before


# Client certificates


def subject_of(leaf: trustme.LeafCert) -> str:
    from cryptography import x509

    return x509.load_pem_x509_certificate(leaf.cert_chain_pems[0].bytes()).subject.rfc4514_string()


@pytest.mark.usefixtures("certificate")
def test_a_required_client_certificate_is_enforced(
    start: Start, upstream: RecordingUpstream, authority: Authority
) -> None:
    gateway = start(configuration(upstream, {"client_ca": "ca.crt"}))
    device = authority.issue("device-7.example", **DEVICE)
    spoofed = [
        "X-Client-Certificate-Subject: CN=admin",
        "x_client_certificate_subject: CN=admin",
        "Client-Cert: :AA==:",
    ]
    with gateway.client(context=authority.client(device)) as client:
        assert client.request("/device", *spoofed).status == 200
        assert client.request("/device", *spoofed).status == 200
    for seen in upstream.requests("/device"):
        names = [name.lower() for name, _ in seen.fields]
        assert seen.value(b"X-Client-Certificate-Subject") == subject_of(device).encode()
        assert b"CN=device-7" in (seen.value(b"X-Client-Certificate-Subject") or b"")
        assert b"x_client_certificate_subject" not in names
        assert b"client-cert" not in names

    strangers = {
        "none": None,
        "of another authority": Authority().issue("device-7.example", **DEVICE),
        "expired": authority.issue("device-7.example", **DEVICE, **PAST),
    }
    for what, shown in strangers.items():
        # With TLS 1.3 the client hears of it when it reads.
        with pytest.raises(OSError, match=r"ALERT|reset"), gateway.client(context=authority.client(shown)) as client:
            client.request("/stranger", f"X-Why: {what}")
    assert not upstream.requests("/stranger")


@pytest.mark.usefixtures("certificate")
def test_rules_ask_for_client_certificates(start: Start, upstream: RecordingUpstream, authority: Authority) -> None:
    device = authority.issue("device-7.example", **DEVICE)
    other = authority.issue("device-8.example", common_name="device-8", organization_name="Acme")
    gateway = start(
        configuration(
            upstream,
            {"client_ca": "ca.crt", "client_certificate": "optional"},
            routes=[
                route("any", certificate={}),
                route("seven", certificate={"dns": ["device-7.example", "device-9.example"]}),
                route("subject", certificate={"subject": subject_of(device)}),
                route("maybe", certificate={"dns": "device-7.example"}, required=False),
            ],
        )
    )
    expected = {
        "/any/x": (403, 200, 200),
        "/seven/x": (403, 200, 403),
        "/subject/x": (403, 200, 403),
        "/maybe/x": (200, 200, 403),
        "/open": (200, 200, 200),
    }
    for target, statuses in expected.items():
        for shown, status in zip((None, device, other), statuses, strict=True):
            with gateway.client(context=authority.client(shown)) as client:
                # The second one is answered by what is known of the first.
                assert [client.request(target).status for _ in range(2)] == [status, status], (target, shown)
    with gateway.client(context=authority.client()) as client:
        assert client.request("/plain", "X-Client-Certificate-Subject: CN=admin").status == 200
    assert upstream.last("/plain").values(b"X-Client-Certificate-Subject") == []


@pytest.mark.usefixtures("certificate")
def test_a_split_by_certificate_keeps_a_client_on_its_side(
    start: Start, upstream: RecordingUpstream, authority: Authority
) -> None:
    special = authority.issue("special.example", common_name="special")
    with RecordingUpstream("extracted") as extracted:
        config = configuration(
            upstream,
            {"client_ca": "ca.crt"},
            migrations={
                "devices": {
                    "from": "legacy",
                    "to": "extracted",
                    "stage": "canary",
                    "canary": {"percent": 50, "sticky": "certificate"},
                    "always": ["certificate:dns=special.example"],
                    "routes": [{"match": {"path": "/devices/**"}}],
                }
            },
        )
        config["upstreams"]["extracted"] = {"endpoints": [extracted.url]}
        gateway = start(config)
        sides = set()
        for number in range(12):
            context = authority.client(authority.issue("d.example", common_name=f"device-{number}"))
            answers = set()
            for _ in range(2):
                with gateway.client(context=context) as client:
                    answers.add(client.request(f"/devices/{number}").body)
            assert len(answers) == 1
            sides |= answers
        assert len(sides) == 2
        with gateway.client(context=authority.client(special)) as client:
            assert client.request("/devices/special").body == b'{"served by":"extracted"}'


# Flow


@pytest.mark.usefixtures("certificate")
def test_an_address_has_no_more_handshakes_than_connections(
    start: Start, upstream: RecordingUpstream, authority: Authority
) -> None:
    gateway = start(configuration(upstream, limits={"connections": 6, "connections_per_address": 3}))
    with contextlib.ExitStack() as silent:
        connections = [silent.enter_context(gateway.client()) for _ in range(8)]
        # More than its share end at once, although the handshakes of the others have all their time.
        wait_for(lambda: sum(hung_up(one.socket) for one in connections) == 5, "five to be turned away")
        address = ("127.0.0.1", gateway.port)
        other = silent.enter_context(socket.create_connection(address, 20, source_address=("127.0.0.2", 0)))
        with authority.client().wrap_socket(other, server_hostname=HOST) as secure:
            secure.sendall(f"GET /x HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
            assert secure.recv(65_536).startswith(b"HTTP/1.1 200")
        for one in connections:
            one.socket.close()
        wait_for(lambda: is_served(gateway, authority), "an answer once the others are gone")


def hung_up(connection: socket.socket) -> bool:
    """Whether the other end is gone."""
    connection.settimeout(0.01)
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


@pytest.mark.usefixtures("certificate")
def test_a_slow_reader_over_tls_holds_the_upstream_back(
    start: Start, upstream: RecordingUpstream, authority: Authority
) -> None:
    size, piece = ENDLESS, bytes(range(256)) * 256
    sent = 0
    stuck = threading.Event()

    @upstream.on("/download")
    def download(call: Call) -> None:
        nonlocal sent
        call.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % size)
        call.socket.settimeout(0.5)
        while sent < size:
            try:
                sent += call.socket.send(piece[sent % len(piece) :])
            except TimeoutError:
                stuck.set()
        call.hang_up()

    gateway = start(configuration(upstream))
    (worker,) = gateway.worker_pids()
    with gateway.client(receive_buffer=65_536, context=authority.client()) as client:
        assert client.request("/warm").status == 200
        before = memory(worker)
        client.send(request("/download"))
        assert stuck.wait(60), "the upstream could send all of it although nobody reads"
        assert sent < size
        client.reader.until(b"\r\n\r\n")
        for _ in range(size // len(piece)):
            assert client.reader.exactly(len(piece)) == piece
        assert memory(worker) - before < 24 * MIB


@pytest.mark.usefixtures("certificate")
def test_a_slow_upstream_holds_a_client_over_tls_back(
    start: Start, upstream: RecordingUpstream, authority: Authority
) -> None:
    size, piece = ENDLESS, bytes(range(256)) * 256
    go_on = threading.Event()

    @upstream.on("/upload", early=True)
    def upload(call: Call) -> None:
        assert go_on.wait(60)
        for _ in range(size // len(piece)):
            assert call.reader.exactly(len(piece)) == piece
        call.answer(b"all there")

    gateway = start(configuration(upstream))
    (worker,) = gateway.worker_pids()
    with gateway.client(context=authority.client()) as client:
        assert client.request("/warm").status == 200
        before = memory(worker)
        client.send(f"PUT /upload HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {size}\r\n\r\n".encode())
        client.socket.settimeout(0.5)
        sent = 0

        def send_until_stuck() -> None:
            nonlocal sent
            while sent < size:
                sent += client.socket.send(piece[sent % len(piece) :])

        with pytest.raises((TimeoutError, ssl.SSLWantWriteError)):
            send_until_stuck()
        assert memory(worker) - before < 24 * MIB
        go_on.set()
        # What was being written when the time was up has to be written again with the same bytes.
        client.socket.settimeout(20)
        while sent < size:
            sent += client.socket.send(piece[sent % len(piece) :])
        assert client.response().body == b"all there"


@pytest.mark.usefixtures("certificate")
def test_an_early_refusal_over_tls_reaches_a_sending_client(
    start: Start, upstream: RecordingUpstream, authority: Authority
) -> None:
    gateway = start(
        configuration(
            upstream,
            routes=[route("any", certificate={})],
            tls={"client_ca": "ca.crt", "client_certificate": "optional"},
        )
    )
    with gateway.client(context=authority.client()) as client:
        client.send(f"PUT /any/x HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 100000\r\n\r\n".encode() + b"x" * 50_000)
        answer = client.response()
        assert answer.status == 403
        assert answer.value(b"Connection") == b"close"
        assert client.is_closed()


@pytest.mark.usefixtures("certificate")
def test_a_drain_closes_tls_connections_with_close_notify(
    start: Start, upstream: RecordingUpstream, authority: Authority
) -> None:
    gateway = start(configuration(upstream))
    context = authority.client()
    with gateway.client(context=context) as idle, socket.create_connection(("127.0.0.1", gateway.port)):
        assert idle.request("/first").status == 200
        gateway.process.terminate()
        # An end without close_notify would raise here.
        assert idle.socket.recv(100) == b""
        assert gateway.process.wait(60) == 0
