"""Values that are written as text."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from strangler.config.schema.json_schema import spell_duration, spell_size
from strangler.config.values.callers import parse_condition, parse_permission, parse_scope, parse_sticky
from strangler.config.values.endpoints import parse_endpoint, parse_listener
from strangler.config.values.hosts import parse_match_host, parse_network
from strangler.config.values.http_syntax import parse_method
from strangler.config.values.quantities import parse_duration, parse_positive_duration, parse_size
from strangler.model.addresses import is_loopback
from strangler.model.caller import Condition, StickyKey
from strangler.model.listener import ListenAddress
from strangler.model.upstream import Endpoint

Parse = Callable[[object], object]


@pytest.mark.parametrize(
    ("parse", "written", "meant"),
    [
        (parse_duration, "250ms", 0.25),
        (parse_duration, "5s", 5.0),
        (parse_duration, "1.5m", 90.0),
        (parse_duration, "1h", 3600.0),
        (parse_duration, 7, 7.0),
        (parse_duration, "0", 0.0),
        (parse_size, "8KiB", 8192),
        (parse_size, "1MiB", 1024**2),
        (parse_size, 10, 10),
        (parse_size, "10", 10),
        (parse_listener, 8081, ListenAddress("127.0.0.1", 8081)),
        (parse_listener, "8081", ListenAddress("127.0.0.1", 8081)),
        (parse_listener, "0.0.0.0:80", ListenAddress("0.0.0.0", 80)),
        (parse_listener, "[::1]:0", ListenAddress("::1", 0)),
        (parse_listener, "LocalHost:80", ListenAddress("localhost", 80)),
        (parse_endpoint, "http://Api:80/", Endpoint("http://api", "api", 80, b"api")),
        (parse_endpoint, "http://[::1]:81", Endpoint("http://[::1]:81", "::1", 81, b"[::1]:81")),
        (parse_sticky, "claim:sub", StickyKey("claim", "sub")),
        (parse_sticky, "visitor", StickyKey("visitor")),
        (parse_condition, "claim:tenant=acme=1", Condition("claim", "tenant", "acme=1")),
        (parse_condition, "header:X-Beta", Condition("header", "X-Beta")),
        (parse_condition, "cookie:beta=", Condition("cookie", "beta", "")),
        (parse_condition, "scope:orders:read", Condition("scope", "orders:read")),
        (parse_condition, "ip:10.0.0.0/8", Condition("ip", "10.0.0.0/8")),
        (parse_condition, "ip:2001:DB8::1", Condition("ip", "2001:db8::1")),
        (parse_network, "10.1.2.3", "10.1.2.3"),
        (parse_network, "10.1.2.3/32", "10.1.2.3"),
        (parse_match_host, "*.Shop.Example", "*.shop.example"),
        (parse_match_host, "shop.example.", "shop.example"),
    ],
)
def test_values_are_parsed(parse: Parse, written: object, meant: object) -> None:
    assert parse(written) == meant


@pytest.mark.parametrize(
    ("parse", "written", "message"),
    [
        (parse_duration, "5 s", "expected a duration"),
        (parse_duration, "-1s", "expected a duration"),
        (parse_duration, "nan", "is not a valid duration"),
        (parse_duration, "inf", "is not a valid duration"),
        (parse_duration, True, "found the boolean true"),
        (parse_positive_duration, "0s", "longer than 0s"),
        (parse_size, "8KB", "8KiB"),
        (parse_size, 0, "at least 1"),
        (parse_size, 1.5, "expected a size"),
        (parse_listener, ":8080", "0.0.0.0:8080"),
        (parse_listener, "*:8080", "0.0.0.0:8080"),
        (parse_listener, "::1:8080", "in brackets"),
        (parse_listener, "localhost", "host:port"),
        (parse_listener, "127.0.0.1:99999", "between 0 and 65535"),
        (parse_listener, "127.0.0.300:80", "not an IPv4 address"),
        (parse_listener, False, "the boolean false"),
        (parse_endpoint, "ftp://a", "expected a URL"),
        (parse_endpoint, "http://a/b", "scheme, host and port only"),
        (parse_endpoint, "http://a?b", "scheme, host and port only"),
        (parse_endpoint, "http://u:p@a", "user name or password"),
        (parse_endpoint, "http://a:x", "is not a URL"),
        (parse_endpoint, "http://a:0", "port 0"),
        (parse_endpoint, "a:80", "expected a URL"),
        (parse_endpoint, "http://a b", "not a host name"),
        (parse_sticky, "claim", "is not a sticky key"),
        (parse_sticky, "cookie:", "requires a name"),
        (parse_sticky, "header:a b", "is not a valid header name"),
        (parse_condition, "claims:a=b", "did you mean 'claim'"),
        (parse_condition, "ip:nowhere", "expected an address"),
        (parse_permission, "header:X-Me", "only a claim, a scope or a certificate"),
        (parse_scope, "read write", r"list several as \[a, b\]"),
        (parse_network, "10.0.0.1/8", "did you mean '10.0.0.0/8'"),
        (parse_match_host, "shop.*", "as in \\*.shop.example"),
        (parse_match_host, "shop.example:80", "without its port"),
        (parse_method, "get", "did you mean 'GET'"),
    ],
)
def test_invalid_values_are_refused_with_the_reason(parse: Parse, written: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(written)


def test_loopback_is_known_by_all_its_names() -> None:
    assert all(map(is_loopback, ("localhost", "a.localhost", "127.3.2.1", "::1")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "shop.example", "10.0.0.1")))


@pytest.mark.parametrize("spelled", ["250ms", "5s", "90s", "1m", "1h", "0s"])
def test_durations_are_spelled_as_they_are_written(spelled: str) -> None:
    assert spell_duration(parse_duration(spelled)) == spelled


@pytest.mark.parametrize("spelled", ["10B", "8KiB", "1MiB", "2GiB"])
def test_sizes_are_spelled_as_they_are_written(spelled: str) -> None:
    assert spell_size(parse_size(spelled)) == spelled


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://bücher.example", "did you mean 'xn--bcher-kva.example'"),
        (f"https://{'a' * 64}.example", "longer than 63 characters"),
    ],
)
def test_names_are_written_as_in_dns_and_certificates(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_endpoint(url)


def test_certificates_hold_no_final_dot() -> None:
    assert parse_endpoint("https://Catalog.internal.example.:8443").certified_name == "catalog.internal.example"
    assert parse_endpoint("https://127.0.0.1:8443").certified_name == "127.0.0.1"
