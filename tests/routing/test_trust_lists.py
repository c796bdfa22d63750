"""X-Forwarded-Proto, -Host and -Port as lists: the value of the hop that trusted proxies make the client's counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strangler.routing.trust import Forwarding, TrustedProxies, forwarding, told_anew

PEER = "10.0.0.1"
CLIENT = "203.0.113.9"
ONE_PROXY = f"X-Forwarded-For: {CLIENT}"
TWO_PROXIES = f"X-Forwarded-For: {CLIENT}, 10.0.0.7"
THREE_PROXIES = f"X-Forwarded-For: {CLIENT}, 10.0.0.8, 10.0.0.7"


def told(*lines: str, header: str = "X-Forwarded-For") -> Forwarding:
    fields = [tuple(part.strip().encode() for part in line.split(":", 1)) for line in lines]
    proxies = TrustedProxies(["10.0.0.0/8"], header)  # type: ignore[arg-type]
    return forwarding(proxies, PEER, fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("proxies", "values", "scheme"),
    [
        (ONE_PROXY, ["https"], "https"),
        (ONE_PROXY, ["https,https"], "https"),
        (ONE_PROXY, ["https, https"], "https"),
        (ONE_PROXY, ["https ,\thttps"], "https"),
        (ONE_PROXY, ["https", "https"], "https"),
        (ONE_PROXY, ["HTTPS"], "https"),
        (ONE_PROXY, ["https,"], "https"),
        (ONE_PROXY, ["https, http"], "http"),
        (ONE_PROXY, ["https", "http"], "http"),
        (ONE_PROXY, ["http, https"], "https"),
        (TWO_PROXIES, ["https, http"], "https"),
        (TWO_PROXIES, ["https", "http"], "https"),
        (TWO_PROXIES, ["https, http, http"], "http"),
        (TWO_PROXIES, ["http, https"], "http"),
        (TWO_PROXIES, ["https"], "https"),
        (THREE_PROXIES, ["https, http"], "http"),
        (THREE_PROXIES, ["https,https"], "https"),
        (ONE_PROXY, ["wss"], "https"),
        (ONE_PROXY, ["ws"], "http"),
        (ONE_PROXY, ["wss,wss"], "https"),
        (TWO_PROXIES, ["wss, ws"], "https"),
        (ONE_PROXY, ["gopher"], ""),
        (ONE_PROXY, ["https, gopher"], ""),
        (ONE_PROXY, [""], ""),
    ],
)
def test_the_scheme_is_that_of_the_proxy_the_client_connected_to(proxies: str, values: list[str], scheme: str) -> None:
    assert told(proxies, *(f"X-Forwarded-Proto: {value}" for value in values)).scheme == scheme


@given(st.lists(st.sampled_from(["https", "http", "wss", "on", "x"]), max_size=5), st.integers(1, 3))
def test_no_client_makes_its_connection_more_secure(written: list[str], proxies: int) -> None:
    """Every proxy appends, and the client connected over http: whatever the client wrote before that has no effect."""
    hops = ", ".join([CLIENT, *(f"10.0.0.{number}" for number in range(2, proxies + 1))])
    values = ", ".join([*written, "http", *["https"] * (proxies - 1)])
    assert told(f"X-Forwarded-For: {hops}", f"X-Forwarded-Proto: {values}").scheme == "http"


@pytest.mark.parametrize("claim", ["X-Forwarded-Ssl: on", "X-Forwarded-Scheme: https", "X-Forwarded-Protocol: https"])
def test_another_field_does_not_outrank_the_one_that_the_proxy_sets(claim: str) -> None:
    found = told(ONE_PROXY, claim, "X-Forwarded-Proto: http")
    assert found.scheme == "http"
    name = claim.partition(":")[0].lower().encode()
    assert told_anew(name, [], found, found.scheme) in (b"off", b"http")


@pytest.mark.parametrize("claim", ["X-Forwarded-Ssl: on", "X-Forwarded-Scheme: https", "X-Forwarded-Protocol: https"])
def test_a_proxy_that_sets_another_field_alone_is_understood(claim: str) -> None:
    assert told(ONE_PROXY, claim).scheme == "https"


@pytest.mark.parametrize(
    ("proxies", "value", "host"),
    [
        (ONE_PROXY, "www.shop.example", "www.shop.example"),
        (ONE_PROXY, "evil.example, www.shop.example", "www.shop.example"),
        (TWO_PROXIES, "www.shop.example, inner.example", "www.shop.example"),
        (TWO_PROXIES, "evil.example,www.shop.example,inner.example", "www.shop.example"),
        (THREE_PROXIES, "evil.example, www.shop.example", ""),
    ],
)
def test_the_host_is_the_one_that_the_client_sent(proxies: str, value: str, host: str) -> None:
    assert told(proxies, f"X-Forwarded-Host: {value}").host == host


@pytest.mark.parametrize(("value", "port"), [("443, 443", b"443"), ("80,8443", b"8443"), ("x", b"")])
def test_the_port_is_one_number(value: str, port: bytes) -> None:
    fields = [(b"X-Forwarded-Port", value.encode())]
    assert told_anew(b"x-forwarded-port", fields, told(ONE_PROXY), "https") == port


@pytest.mark.parametrize(
    ("value", "scheme"),
    [
        (f"for={CLIENT};proto=https, for=10.0.0.7;proto=http", "https"),
        (f"for=6.6.6.6;proto=https, for={CLIENT};proto=http", "http"),
        (f"for={CLIENT};proto=wss", "https"),
        ("for=_hidden;proto=https", ""),
    ],
)
def test_the_scheme_in_forwarded_is_that_of_the_same_hop(value: str, scheme: str) -> None:
    assert told(f"Forwarded: {value}", header="Forwarded").scheme == scheme
