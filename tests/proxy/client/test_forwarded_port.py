"""X-Forwarded-Port: the port of the client's URL, which upstreams need to build URLs."""

from __future__ import annotations

from typing import cast

import pytest

from strangler.model.snapshot import Snapshot
from strangler.proxy.client.connection import ClientConnection
from strangler.proxy.http.headers import forwarded_host_line, forwarding_lines, port_of
from strangler.routing.trust import Forwarding
from tests.proxy.in_process import Plane, run


@pytest.mark.parametrize(
    ("host", "secure", "port"),
    [
        ("shop.example", False, "80"),
        ("shop.example", True, "443"),
        ("shop.example:8443", True, "8443"),
        ("shop.example:8080", False, "8080"),
        ("shop.example:", True, "443"),
        ("[::1]", False, "80"),
        ("[::1]:8080", False, "8080"),
        ("127.0.0.1:80", True, "80"),
    ],
)
def test_port_comes_from_host_or_scheme(host: str, secure: bool, port: str) -> None:
    assert port_of(host, secure) == port
    assert forwarded_host_line(host, secure).decode() == f"X-Forwarded-Host: {host}\r\nX-Forwarded-Port: {port}\r\n"


@pytest.mark.parametrize("shown", [b"", b"X-Client-Certificate-Subject: CN=device-7\r\n"])
@pytest.mark.parametrize("parsed", [False, True])
def test_port_is_that_of_https_whatever_certificate_a_client_shows(
    snapshot: Snapshot, shown: bytes, parsed: bool
) -> None:
    async def test() -> None:
        plane = Plane(snapshot)
        plane.plane.takes_plain = not parsed
        client = plane.client()
        connection = cast(ClientConnection, client.protocol)
        connection.scheme = "https"
        connection.look_at_peer()
        connection.forwarded += shown
        client.feed(b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n")
        await plane.settle()
        (upstream,) = plane.busy()
        assert b"\r\nX-Forwarded-Port: 443\r\n" in upstream.take()

    run(test)


def test_port_behind_trusted_proxies_comes_from_the_client_s_url() -> None:
    told = Forwarding("X-Forwarded-For", "192.0.2.1", ("10.0.0.5",), "https", "www.shop.example")
    assert b"X-Forwarded-Port: 443\r\n" in forwarding_lines(told, "http", "shop.internal:8080")
    nothing = Forwarding("X-Forwarded-For", "192.0.2.1", ("10.0.0.5",))
    assert b"X-Forwarded-Port: 8080\r\n" in forwarding_lines(nothing, "http", "shop.internal:8080")


def test_port_sent_by_trusted_proxies_is_kept() -> None:
    told = Forwarding("X-Forwarded-For", "192.0.2.1", ("10.0.0.5",), "https", "www.shop.example")
    assert b"X-Forwarded-Port" not in forwarding_lines(told, "http", "shop.internal", port_is_told=True)
