"""X-Forwarded-Port: the port that the client means, as an upstream that builds URLs of it needs it."""

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
def test_the_port_is_that_of_host_or_of_the_scheme(host: str, secure: bool, port: str) -> None:
    assert port_of(host, secure) == port
    assert forwarded_host_line(host, secure).decode() == f"X-Forwarded-Host: {host}\r\nX-Forwarded-Port: {port}\r\n"


def test_behind_trusted_proxies_it_is_that_of_the_client() -> None:
    told = Forwarding("X-Forwarded-For", "192.0.2.1", ("10.0.0.5",), "https", "www.shop.example")
    assert b"X-Forwarded-Port: 443\r\n" in forwarding_lines(told, "http", "shop.internal:8080")
    nothing = Forwarding("X-Forwarded-For", "192.0.2.1", ("10.0.0.5",))
    assert b"X-Forwarded-Port: 8080\r\n" in forwarding_lines(nothing, "http", "shop.internal:8080")


def test_a_port_that_trusted_proxies_have_told_goes_on_instead() -> None:
    told = Forwarding("X-Forwarded-For", "192.0.2.1", ("10.0.0.5",), "https", "www.shop.example")
    assert b"X-Forwarded-Port" not in forwarding_lines(told, "http", "shop.internal", port_is_told=True)
