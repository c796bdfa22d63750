"""X-Forwarded-Port: the port of the client's URL, which upstreams need to build URLs."""

from __future__ import annotations

import pytest

from strangler.proxy.http.headers import forwarded_host_line, forwarding_lines, port_of
from strangler.routing.trust import Forwarding


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


def test_port_behind_trusted_proxies_comes_from_the_client_s_url() -> None:
    told = Forwarding("X-Forwarded-For", "192.0.2.1", ("10.0.0.5",), "https", "www.shop.example")
    assert b"X-Forwarded-Port: 443\r\n" in forwarding_lines(told, "http", "shop.internal:8080")
    nothing = Forwarding("X-Forwarded-For", "192.0.2.1", ("10.0.0.5",))
    assert b"X-Forwarded-Port: 8080\r\n" in forwarding_lines(nothing, "http", "shop.internal:8080")


def test_port_sent_by_trusted_proxies_is_kept() -> None:
    told = Forwarding("X-Forwarded-For", "192.0.2.1", ("10.0.0.5",), "https", "www.shop.example")
    assert b"X-Forwarded-Port" not in forwarding_lines(told, "http", "shop.internal", port_is_told=True)
