"""Endpoints over TLS: who is believed, what is shown to them, and where their answer ends."""

from __future__ import annotations

import ssl
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.certificates import Authority
from tests.e2e.conftest import Start
from tests.e2e.name_server import NameServer
from tests.e2e.raw_http import BrokenMessage, request
from tests.e2e.recording_upstream import Call, RecordingUpstream
from tests.e2e.socket_buffers import ENDLESS, MIB
from tests.e2e.waiting import wait_for

HERE = "127.0.0.1"
PAST = {
    "not_before": datetime.now(UTC) - timedelta(days=2),
    "not_after": datetime.now(UTC) - timedelta(days=1),
}


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(autouse=True)
def trusted(authority: Authority, tmp_path: Path) -> None:
    """The authority as `ca.crt` beside the configuration."""
    (tmp_path / "ca.crt").write_bytes(authority.pem)


@contextmanager
def secure(context: ssl.SSLContext) -> Iterator[RecordingUpstream]:
    with RecordingUpstream("secure", context=context) as running:
        yield running
        assert not running.failed, running.failed


def configuration(upstream: RecordingUpstream, tls: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    section = {"endpoints": [upstream.url], "tls": {"ca": "ca.crt"} if tls is None else tls, **more}
    return {"upstreams": {"secure": {key: value for key, value in section.items() if value}}, "default": "secure"}


def test_requests_go_over_tls_on_connections_that_are_kept(start: Start, authority: Authority) -> None:
    with secure(authority.server(HERE)) as upstream:
        gateway = start(configuration(upstream))
        with gateway.client() as client:
            for number in range(3):
                assert client.request(f"/ask/{number}").body == b'{"served by":"secure"}'
            assert {one.connection for one in upstream.received} == {1}
            body = bytes(range(256)) * 4000
            assert client.request("/send", method="POST", body=body).status == 200
        assert upstream.last("/send").body == body


def test_tls_versions_before_1_2_are_refused(start: Start, authority: Authority) -> None:
    context = authority.server(HERE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1_1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with secure(context) as upstream:
        gateway = start(configuration(upstream))
        with gateway.client() as client:
            assert client.request("/old").status == 502
        assert not upstream.received


def test_only_a_valid_certificate_is_accepted(start: Start, authority: Authority) -> None:
    contexts = {
        "of another authority": Authority().server(HERE),
        "expired": authority.server(HERE, **PAST),
        "of another name": authority.server("other.example"),
    }
    with ExitStack() as running:
        upstreams = {what: running.enter_context(secure(context)) for what, context in contexts.items()}
        config = {
            "upstreams": {
                f"u{number}": {"endpoints": [upstream.url], "tls": {"ca": "ca.crt"}}
                for number, upstream in enumerate(upstreams.values())
            },
            "routes": [
                {"name": f"r{number}", "match": {"path": f"/{number}"}, "upstream": f"u{number}"}
                for number in range(len(upstreams))
            ],
        }
        gateway = start(config)
        for number, (what, upstream) in enumerate(upstreams.items()):
            with gateway.client() as client:
                answer = client.request(f"/{number}", "Authorization: Bearer secret")
                assert answer.status == 502, what
                assert b"TLS handshake" in answer.body
                # The connection to the client is none the worse.
                assert client.request(f"/{number}").status == 502
            assert not upstream.received, what
        labels = {
            dict(labels)["label"]
            for name, labels in gateway.metrics()
            if name == "strangler_events_total" and ("event", "upstream_tls_failures") in labels
        }
        assert any("u0: " in label and "issuer certificate" in label for label in labels), labels
        assert "u1: certificate has expired" in labels
        assert any("u2: IP address mismatch" in label for label in labels), labels


def test_the_system_trust_store_is_used_without_an_authority(start: Start, authority: Authority) -> None:
    with secure(authority.server(HERE)) as upstream:
        gateway = start(configuration(upstream, tls={}))
        with gateway.client() as client:
            assert client.request("/unknown").status == 502
        assert not upstream.received


def test_the_server_name_can_be_configured(start: Start, authority: Authority) -> None:
    asked: list[str | None] = []
    context = authority.server("catalog.internal.example")
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    with secure(context) as upstream:
        gateway = start(
            configuration(
                upstream,
                {"ca": "ca.crt", "server_name": "catalog.internal.example"},
                health={"path": "/well", "interval": "100ms", "unhealthy_after": 1},
            )
        )
        with gateway.client() as client:
            assert client.request("/named").status == 200
        upstream.last("/well")
        wait_for(lambda: gateway.status()["health"][0]["last"] == "status 200", "a good health check")
    assert set(asked) == {"catalog.internal.example"}


def test_verification_can_be_switched_off_with_a_warning(start: Start, authority: Authority) -> None:
    with secure(Authority().server("other.example")) as upstream:
        gateway = start(configuration(upstream, {"verify": False}))
        with gateway.client() as client:
            assert client.request("/unverified").status == 200
        (warning,) = gateway.status()["configuration"]["warnings"]
        assert "are not verified" in warning


def test_an_endpoint_that_asks_gets_the_gateways_certificate(
    start: Start, authority: Authority, tmp_path: Path
) -> None:
    authority.write(tmp_path, "gateway", "gateway.example", common_name="gateway")
    with secure(authority.ask_clients(authority.server(HERE))) as upstream:
        config = configuration(upstream, {"ca": "ca.crt", "certificate": "gateway.crt", "key": "gateway.key"})
        config["upstreams"]["bare"] = {"endpoints": [upstream.url], "tls": {"ca": "ca.crt"}}
        config["routes"] = [{"name": "bare", "match": {"path": "/bare"}, "upstream": "bare"}]
        gateway = start(config)
        with gateway.client() as client:
            assert client.request("/shown").status == 200
            assert client.request("/bare").status == 502
            assert client.request("/shown").status == 200
        assert not upstream.requests("/bare")


def test_a_renewed_authority_is_loaded(start: Start, authority: Authority, tmp_path: Path) -> None:
    renewed = Authority()
    with secure(renewed.server(HERE)) as upstream:
        gateway = start(configuration(upstream))
        with gateway.client() as client:
            assert client.request("/before").status == 502
            version = gateway.version()
            (tmp_path / "ca.crt").write_bytes(authority.pem + renewed.pem)
            wait_for(lambda: gateway.version() != version, "the renewed authority")
            gateway.wait_ready()
            assert client.request("/after").status == 200


# Where an answer ends


def notify_close(call: Call) -> None:
    """Send close_notify without waiting for the gateway's."""
    assert isinstance(call.socket, ssl.SSLSocket)
    call.socket.settimeout(0)
    with pytest.raises(ssl.SSLWantReadError):
        call.socket.unwrap()
    call.hang_up()


def test_a_response_delimited_by_close_needs_close_notify(start: Start, authority: Authority) -> None:
    with secure(authority.server(HERE)) as upstream:

        @upstream.on("/whole")
        def whole(call: Call) -> None:
            call.send(b"HTTP/1.1 200 OK\r\n\r\n" + b"all of it")
            notify_close(call)

        @upstream.on("/cut")
        def cut(call: Call) -> None:
            call.send(b"HTTP/1.1 200 OK\r\n\r\n" + b"a part of")
            call.hang_up()

        gateway = start(configuration(upstream))
        with gateway.client() as client:
            assert client.request("/whole").body == b"all of it"
        with gateway.client() as client, pytest.raises((BrokenMessage, ConnectionResetError)):
            client.request("/cut")


def test_an_end_without_close_notify_is_logged_and_configurable(start: Start, authority: Authority) -> None:
    with secure(authority.server(HERE)) as upstream:

        @upstream.on("/cut")
        def cut(call: Call) -> None:
            call.send(b"HTTP/1.1 200 OK\r\n\r\n" + b"all of it")
            call.hang_up()

        config = configuration(upstream)
        config["upstreams"]["lenient"] = {
            "endpoints": [upstream.url],
            "tls": {"ca": "ca.crt", "close_notify": "optional"},
        }
        config["routes"] = [
            {"name": "lenient", "match": {"path": "/cut", "query": {"of": "lenient"}}, "upstream": "lenient"}
        ]
        gateway = start(config)
        with gateway.client() as client, pytest.raises((BrokenMessage, ConnectionResetError)):
            client.request("/cut")
        (line,) = gateway.access("/cut")
        assert "without close_notify" in line["reason"]
        (event,) = wait_for(lambda: gateway.events("response ended without close_notify"), "an event that says so")
        assert (event["upstream"], event["endpoint"]) == ("secure", upstream.url)
        assert (
            gateway.metric("strangler_events_total", event="response_ended_without_close_notify", label="secure") == 1
        )
        with gateway.client() as client:
            assert client.request("/cut?of=lenient").body == b"all of it"
        assert "reason" not in gateway.access("/cut", 2)[1]


def test_the_final_dot_of_a_name_is_not_in_certificates(start: Start, authority: Authority) -> None:
    asked: list[str | None] = []
    context = authority.server("catalog.shop.example")
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    with secure(context) as upstream, NameServer(HERE) as names:
        resolve = {"interval": "200ms", "nameservers": [f"{HERE}:{names.port}"]}
        config = configuration(upstream, resolve=resolve, health={"path": "/well", "interval": "200ms"})
        config["upstreams"]["secure"]["endpoints"] = [f"https://Catalog.Shop.example.:{upstream.port}"]
        gateway = start(config)
        with gateway.client() as client:
            assert client.request("/dotted").status == 200
        wait_for(lambda: gateway.status()["health"][0]["last"] == "status 200", "a good health check")
    assert set(asked) == {"catalog.shop.example"}


@pytest.mark.parametrize("framing", [b"Content-Length: 100", b"Transfer-Encoding: chunked"])
def test_a_response_that_ends_early_over_tls_is_broken(start: Start, authority: Authority, framing: bytes) -> None:
    with secure(authority.server(HERE)) as upstream:

        @upstream.on("/cut")
        def cut(call: Call) -> None:
            call.send(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n32\r\n" + b"x" * 50)
            call.hang_up()

        gateway = start(configuration(upstream))
        with gateway.client() as client, pytest.raises((BrokenMessage, ConnectionResetError)):
            client.request("/cut")


@pytest.mark.parametrize("proper", [True, False])
def test_a_slow_client_gets_all_of_a_response_that_ends_early(start: Start, authority: Authority, proper: bool) -> None:
    size, piece = 24 * MIB, bytes(range(256)) * 256
    done = threading.Event()
    with secure(authority.server(HERE)) as upstream:

        @upstream.on("/download")
        def download(call: Call) -> None:
            call.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % size)
            for _ in range(size // len(piece)):
                call.send(piece)
            if proper:
                notify_close(call)
            else:
                call.hang_up()
            done.set()

        gateway = start(configuration(upstream))
        with gateway.client(receive_buffer=65_536) as client:
            client.send(request("/download"))
            client.reader.until(b"\r\n\r\n")
            for number in range(size // len(piece)):
                assert client.reader.exactly(len(piece)) == piece
                if number % 64 == 0:
                    # Long enough for the gateway to be paused when the end comes.
                    done.wait(0.05)


def test_a_slow_endpoint_holds_the_client_back(start: Start, authority: Authority) -> None:
    size, piece = ENDLESS, bytes(range(256)) * 256
    go_on = threading.Event()
    with secure(authority.server(HERE)) as upstream:

        @upstream.on("/upload", early=True)
        def upload(call: Call) -> None:
            assert go_on.wait(60)
            for _ in range(size // len(piece)):
                assert call.reader.exactly(len(piece)) == piece
            call.answer(b"all there")

        gateway = start(configuration(upstream))
        with gateway.client() as client:
            client.send(b"PUT /upload HTTP/1.1\r\nHost: shop.example\r\nContent-Length: %d\r\n\r\n" % size)
            client.socket.settimeout(0.5)
            sent = 0

            def send_until_stuck() -> None:
                nonlocal sent
                while sent < size:
                    sent += client.socket.send(piece[sent % len(piece) :])

            with pytest.raises(TimeoutError):
                send_until_stuck()
            go_on.set()
            client.socket.settimeout(20)
            while sent < size:
                sent += client.socket.send(piece[sent % len(piece) :])
            assert client.response().body == b"all there"
