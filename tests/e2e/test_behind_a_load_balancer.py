"""Proxies in front of the gateway: whose word counts about the client, and what becomes of it."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from strangler.routing.split import bucket_of
from tests.e2e.certificates import Authority
from tests.e2e.conftest import Start
from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.raw_http import Client, Reader, ask, request
from tests.e2e.recording_upstream import RecordingUpstream
from tests.e2e.waiting import wait_for

LOOPBACK = ["127.0.0.0/8", "10.0.0.0/8"]
CLIENT = "203.0.113.9"


@dataclass(frozen=True)
class Behind:
    """A gateway that trusts loopback, and the two sides behind it."""

    gateway: GatewayProcess
    legacy: RecordingUpstream
    extracted: RecordingUpstream


def configuration(legacy: RecordingUpstream, extracted: RecordingUpstream, **changes: Any) -> dict[str, Any]:
    return {
        "upstreams": {"legacy": {"endpoints": [legacy.url]}, "extracted": {"endpoints": [extracted.url]}},
        "default": "legacy",
        "trusted_proxies": LOOPBACK,
        "migrations": {
            "sticky": {
                "from": "legacy",
                "to": "extracted",
                "stage": "canary",
                "canary": {"percent": 50, "sticky": "ip"},
                "routes": [{"match": {"path": "/sticky/**"}}],
            },
            "listed": {
                "from": "legacy",
                "to": "extracted",
                "stage": "canary",
                "canary": {"percent": 0},
                "always": ["ip:203.0.113.0/24"],
                "routes": [{"match": {"path": "/listed/**"}}],
            },
        },
        **changes,
    }


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    folder: Path = tmp_path_factory.mktemp("behind")
    with RecordingUpstream("legacy") as legacy, RecordingUpstream("extracted") as extracted:
        with GatewayProcess(folder, configuration(legacy, extracted)) as gateway:
            yield Behind(gateway, legacy, extracted)
        assert not legacy.failed + extracted.failed


def test_forwarded_for_lists_the_client_and_the_proxies_after_it(behind: Behind) -> None:
    ask(
        behind.gateway.port,
        "/told",
        f"X-Forwarded-For: 6.6.6.6, {CLIENT}:4711",
        "X-Forwarded-For: 10.0.0.7",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: www.shop.example",
        "X-Forwarded-Port: 8443",
        "X-Real-IP: 6.6.6.6",
        "Forwarded: for=6.6.6.6",
    )
    seen = behind.legacy.last("/told")
    assert seen.value(b"X-Forwarded-For") == b"203.0.113.9, 10.0.0.7, 127.0.0.1"
    assert seen.value(b"X-Forwarded-Proto") == b"https"
    assert seen.value(b"X-Forwarded-Host") == b"www.shop.example"
    assert seen.value(b"X-Forwarded-Port") == b"8443"
    assert seen.value(b"X-Real-IP") == CLIENT.encode()
    assert seen.value(b"Forwarded") is None


def test_forwarding_facts_a_proxy_omits_come_from_the_connection(behind: Behind) -> None:
    ask(behind.gateway.port, "/unsaid")
    seen = behind.legacy.last("/unsaid")
    assert seen.value(b"X-Forwarded-For") == b"127.0.0.1"
    assert seen.value(b"X-Forwarded-Proto") == b"http"
    assert seen.value(b"X-Forwarded-Host") == b"shop.example"


@pytest.mark.parametrize("garbage", ["unknown", "_hidden", "<script>", "203.0.113.999", "\xff", ""])
def test_an_unreadable_client_address_is_replaced_by_the_peers(behind: Behind, garbage: str) -> None:
    path = f"/garbage/{garbage.encode('latin-1').hex()}"
    ask(behind.gateway.port, path, f"X-Forwarded-For: {CLIENT}, {garbage}", "X-Forwarded-Proto: gopher")
    seen = behind.legacy.last(path)
    assert seen.value(b"X-Forwarded-For") == b"127.0.0.1"
    assert seen.value(b"X-Forwarded-Proto") == b"http"
    assert behind.gateway.access(path)[-1]["client"] == "127.0.0.1"


def test_connection_cannot_name_the_forwarding_headers_of_a_proxy(behind: Behind) -> None:
    ask(behind.gateway.port, "/named", "Connection: close, X-Forwarded-For", f"X-Forwarded-For: {CLIENT}")
    assert behind.legacy.last("/named").value(b"X-Forwarded-For") == b"203.0.113.9, 127.0.0.1"


def test_logs_conditions_and_stickiness_use_the_client_address(behind: Behind) -> None:
    for number in range(1, 9):
        client = f"198.51.100.{number}"
        ask(behind.gateway.port, f"/sticky/{number}", f"X-Forwarded-For: {client}")
        side = behind.extracted if bucket_of("sticky", client) < 5000 else behind.legacy
        assert side.requests(f"/sticky/{number}"), client
        assert behind.gateway.access(f"/sticky/{number}")[0]["client"] == client
    ask(behind.gateway.port, "/listed/a", f"X-Forwarded-For: {CLIENT}")
    ask(behind.gateway.port, "/listed/b", "X-Forwarded-For: 198.51.100.1")
    assert behind.extracted.requests("/listed/a")
    assert behind.legacy.requests("/listed/b")


def test_one_proxy_connection_carries_many_clients_even_with_equal_heads(behind: Behind) -> None:
    with behind.gateway.client() as client:
        for number in range(12):
            address = CLIENT if number % 3 else "198.51.100.1"
            client.request(f"/listed/many/{number}", f"X-Forwarded-For: {address}")
    for number in range(12):
        side, address = (behind.extracted, CLIENT) if number % 3 else (behind.legacy, "198.51.100.1")
        [seen] = side.requests(f"/listed/many/{number}")
        assert seen.value(b"X-Forwarded-For") == f"{address}, 127.0.0.1".encode()
        assert behind.gateway.access(f"/listed/many/{number}")[0]["client"] == address


def test_a_reload_that_trusts_a_peer_applies_to_its_open_connection(start: Start, upstream: RecordingUpstream) -> None:
    gateway = start(configuration(upstream, upstream, trusted_proxies=[]))
    with gateway.client() as client:
        client.request("/before", f"X-Forwarded-For: {CLIENT}")
        client.request("/before", f"X-Forwarded-For: {CLIENT}")
        gateway.reload(configuration(upstream, upstream))
        client.request("/after", f"X-Forwarded-For: {CLIENT}")
    assert upstream.last("/before").value(b"X-Forwarded-For") == b"127.0.0.1"
    assert upstream.last("/after").value(b"X-Forwarded-For") == b"203.0.113.9, 127.0.0.1"


def test_forwarded_is_used_where_it_is_the_trusted_header(start: Start, upstream: RecordingUpstream) -> None:
    gateway = start(configuration(upstream, upstream, trusted_header="Forwarded"))
    ask(
        gateway.port,
        "/rfc7239",
        'Forwarded: for=6.6.6.6, for="[2001:db8::9]:80";proto=https;host=www.shop.example',
        "Forwarded: for=10.0.0.7",
        "X-Forwarded-For: 6.6.6.6",
    )
    seen = upstream.last("/rfc7239")
    assert seen.value(b"X-Forwarded-For") == b"2001:db8::9, 10.0.0.7, 127.0.0.1"
    assert seen.value(b"X-Forwarded-Proto") == b"https"
    assert seen.value(b"Forwarded") == (
        b'for="[2001:db8::9]";proto=https;host="www.shop.example", for=10.0.0.7, for=127.0.0.1'
    )
    assert gateway.access("/rfc7239")[0]["client"] == "2001:db8::9"


def test_an_untrusted_client_gets_a_new_forwarded_header(start: Start, upstream: RecordingUpstream) -> None:
    gateway = start(configuration(upstream, upstream, trusted_header="Forwarded", trusted_proxies=["10.0.0.0/8"]))
    with gateway.client() as client:
        for _ in range(2):
            assert client.request("/own", "Forwarded: for=6.6.6.6;proto=https").status == 200
            assert upstream.last("/own").value(b"Forwarded") == b'for=127.0.0.1;proto=http;host="shop.example"'
    seen = upstream.last("/own")
    assert (seen.value(b"X-Forwarded-For"), seen.value(b"X-Forwarded-Proto")) == (b"127.0.0.1", b"http")
    with gateway.client() as client:
        assert client.request("/own/nameless", host=None, version="1.0").status == 200
    assert upstream.last("/own/nameless").value(b"Forwarded") == b"for=127.0.0.1;proto=http"


# The PROXY protocol


def line(address: str) -> bytes:
    return f"PROXY TCP4 {address} 192.0.2.1 56324 443\r\n".encode()


def binary(address: str) -> bytes:
    addresses = socket.inet_aton(address) + socket.inet_aton("192.0.2.1") + struct.pack("!HH", 56324, 443)
    return b"\r\n\r\n\x00\r\nQUIT\n" + struct.pack("!BBH", 0x21, 0x11, len(addresses)) + addresses


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    folder: Path = tmp_path_factory.mktemp("proxied")
    changes: dict[str, Any] = {"proxy_protocol": True, "limits": {"header_timeout": "500ms"}}
    with RecordingUpstream("legacy") as legacy, RecordingUpstream("extracted") as extracted:
        with GatewayProcess(folder, configuration(legacy, extracted, **changes)) as gateway:
            yield Behind(gateway, legacy, extracted)
        assert not legacy.failed + extracted.failed


@pytest.mark.parametrize("header", [line(CLIENT), binary(CLIENT)], ids=["v1", "v2"])
def test_the_proxy_header_names_the_client_for_the_whole_connection(proxied: Behind, header: bytes) -> None:
    with proxied.gateway.client() as client:
        client.send(header + request("/listed/together", "X-Forwarded-For: 6.6.6.6"))
        assert client.response().status == 200
        assert client.request("/listed/next").status == 200
    for path in ("/listed/together", "/listed/next"):
        assert proxied.extracted.last(path).value(b"X-Forwarded-For") == CLIENT.encode()
        assert proxied.gateway.access(path)[-1]["client"] == CLIENT


def test_a_proxy_header_may_arrive_byte_by_byte(proxied: Behind) -> None:
    with proxied.gateway.client() as client:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in binary(CLIENT):
            client.send(bytes([byte]))
        assert client.request("/pieces").status == 200
    assert proxied.legacy.last("/pieces").value(b"X-Forwarded-For") == CLIENT.encode()


def test_a_proxy_before_the_load_balancer_may_be_trusted_too(proxied: Behind) -> None:
    with proxied.gateway.client() as client:
        client.send(line("10.0.0.7"))
        client.request("/both", f"X-Forwarded-For: {CLIENT}")
    assert proxied.legacy.last("/both").value(b"X-Forwarded-For") == b"203.0.113.9, 10.0.0.7"


def test_a_proxy_header_without_an_address_makes_the_peer_the_client(proxied: Behind) -> None:
    with proxied.gateway.client() as client:
        client.send(b"PROXY UNKNOWN\r\n")
        client.request("/unknown", f"X-Forwarded-For: {CLIENT}")
    assert proxied.legacy.last("/unknown").value(b"X-Forwarded-For") == b"127.0.0.1"


@pytest.mark.parametrize(
    ("data", "reason"),
    [(request("/none"), "no header"), (b"PROXY TCP4 evil 192.0.2.1 1 2\r\n", "bad line"), (b"PROXY ", "too slow")],
)
def test_a_connection_with_an_incomplete_proxy_header_is_closed_silently(
    proxied: Behind, data: bytes, reason: str
) -> None:
    labels = {"event": "proxy_protocol_refused", "label": reason}
    before = proxied.gateway.metric("strangler_events_total", **labels)
    with proxied.gateway.client() as client:
        client.send(data)
        assert client.is_closed()
    assert proxied.gateway.metric("strangler_events_total", **labels) == before + 1
    assert not proxied.legacy.requests("/none")


def test_a_proxy_header_from_an_untrusted_peer_is_not_read(start: Start, upstream: RecordingUpstream) -> None:
    gateway = start(configuration(upstream, upstream, proxy_protocol=True, trusted_proxies=["10.0.0.0/8"]))
    with gateway.client() as client:
        assert client.is_closed()
    wait_for(
        lambda: (
            gateway.metric("strangler_events_total", event="proxy_protocol_refused", label="not a trusted proxy") == 1
        ),
        "the refusal to be counted",
    )


def test_the_proxy_header_precedes_the_tls_handshake(start: Start, upstream: RecordingUpstream, tmp_path: Path) -> None:
    authority = Authority()
    authority.write(tmp_path, "shop", "shop.example")
    tls = {"certificate": "shop.crt", "key": "shop.key"}
    gateway = start(configuration(upstream, upstream, proxy_protocol=True, tls=tls))
    with Client(gateway.port) as client:
        client.send(line(CLIENT))
        with authority.client().wrap_socket(client.socket, server_hostname="shop.example") as secure:
            secure.sendall(request("/secure"))
            Reader(secure).until(b"\r\n\r\n")
    seen = upstream.last("/secure")
    assert seen.value(b"X-Forwarded-For") == CLIENT.encode()
    assert seen.value(b"X-Forwarded-Proto") == b"https"


def test_forwarded_lists_become_one_value_for_upstreams(behind: Behind) -> None:
    ask(
        behind.gateway.port,
        "/lists",
        f"X-Forwarded-For: {CLIENT}, 10.0.0.7",
        "X-Forwarded-Proto: https,https",
        "X-Forwarded-Host: shop.example,inner.example",
        "X-Forwarded-Port: 443,",
        "X-Forwarded-Port: 8443",
        "X-Forwarded-Ssl: off",
        "X-Forwarded-Ssl: off",
    )
    seen = behind.legacy.last("/lists")
    assert seen.value(b"X-Forwarded-Proto") == b"https"
    assert seen.value(b"X-Forwarded-Host") == b"shop.example"
    assert seen.value(b"X-Forwarded-Port") == b"443"
    assert seen.value(b"X-Forwarded-Ssl") == b"on"


def test_no_untrusted_client_can_claim_https(behind: Behind) -> None:
    ask(
        behind.gateway.port,
        "/claims",
        f"X-Forwarded-For: {CLIENT}",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Proto: http",
        "X-Forwarded-Ssl: on",
        "X-Forwarded-Scheme: https",
    )
    seen = behind.legacy.last("/claims")
    assert seen.value(b"X-Forwarded-Proto") == b"http"
    assert seen.value(b"X-Forwarded-Ssl") == b"off"
    assert seen.value(b"X-Forwarded-Scheme") == b"http"
