"""Who the client is by what trusted proxies say."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strangler.routing.trust import (
    MOST_HOPS,
    TrustedHeader,
    TrustedProxies,
    forwarded_elements,
    forwarding,
    node_address,
    plain_address,
)

PEER = "10.0.0.1"


def proxies(header: TrustedHeader = "X-Forwarded-For") -> TrustedProxies:
    return TrustedProxies(["10.0.0.0/8", "2001:db8:ffff::/48", "fe80::/10"], header)


@pytest.mark.parametrize(
    ("node", "address"),
    [
        ("203.0.113.9", "203.0.113.9"),
        (" 203.0.113.9\t", "203.0.113.9"),
        ("203.0.113.9:4711", "203.0.113.9"),
        ("2001:DB8::9", "2001:db8::9"),
        ("[2001:db8::9]", "2001:db8::9"),
        ("[2001:db8::9]:4711", "2001:db8::9"),
        ("[2001:db8::9]:_hidden", "2001:db8::9"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%25eth0]:80", "fe80::1"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("", None),
        ("unknown", None),
        ("_hidden", None),
        ("203.0.113", None),
        ("203.0.113.999", None),
        ("010.0.0.1", None),
        ("203.0.113.9:", None),
        ("203.0.113.9:80x", None),
        ("203.0.113.9:123456", None),
        ("[2001:db8::9", None),
        ("[2001:db8::9]4711", None),
        ("[203.0.113.9]", None),
        ("shop.example", None),
        ("203.0.113.9 evil", None),
        ("0x7f.1", None),
        ("2130706433", None),
        ("\uff1127.0.0.1", None),
    ],
)
def test_the_address_of_a_node(node: str, address: str | None) -> None:
    assert node_address(node) == address


def test_an_address_has_one_spelling() -> None:
    assert plain_address("::FFFF:10.1.2.3") == "10.1.2.3"
    assert plain_address("fe80::1%3") == "fe80::1"
    assert plain_address("/run/socket") is None


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "2001:db8:ffff::7", "fe80::1%eth0"])
def test_a_trusted_proxy_is_known_in_every_spelling(address: str) -> None:
    assert address in proxies()


@pytest.mark.parametrize("address", ["11.0.0.1", "2001:db8::7", "", "10.0.0", "nobody"])
def test_no_other_peer_is_trusted(address: str) -> None:
    assert address not in proxies()


@pytest.mark.parametrize(
    ("lines", "client", "hops"),
    [
        ([], PEER, ()),
        (["203.0.113.9"], "203.0.113.9", (PEER,)),
        (["6.6.6.6, 203.0.113.9"], "203.0.113.9", (PEER,)),
        (["203.0.113.9, 10.0.0.7"], "203.0.113.9", ("10.0.0.7", PEER)),
        (["203.0.113.9", "10.0.0.7, 10.0.0.8"], "203.0.113.9", ("10.0.0.7", "10.0.0.8", PEER)),
        (["10.0.0.7"], "10.0.0.7", (PEER,)),
        (["unknown, 10.0.0.7"], "10.0.0.7", (PEER,)),
        (["203.0.113.9, unknown"], PEER, ()),
        (["203.0.113.9,"], PEER, ()),
        ([",203.0.113.9"], "203.0.113.9", (PEER,)),
        (["evil\xff, 203.0.113.9:80"], "203.0.113.9", (PEER,)),
        (["[2001:db8::9]:80, [2001:db8:ffff::1]:80"], "2001:db8::9", ("2001:db8:ffff::1", PEER)),
    ],
)
def test_the_client_is_the_last_address_that_is_not_trusted(
    lines: list[str], client: str, hops: tuple[str, ...]
) -> None:
    fields = [(b"X-Forwarded-For", line.encode("latin-1")) for line in lines]
    found = forwarding(proxies(), PEER, fields)
    assert (found.address, found.hops) == (client, hops)


def test_a_list_without_end_is_read_to_a_bound() -> None:
    found = forwarding(proxies(), PEER, [(b"X-Forwarded-For", b"203.0.113.9," + b"10.0.0.2," * 2000 + b"10.0.0.3")])
    assert found.address == "10.0.0.2"
    assert len(found.hops) == MOST_HOPS


def test_a_proxy_that_names_no_client_still_sets_scheme_and_host() -> None:
    once = [(b"x-forwarded-proto", b"HTTPS"), (b"X-Forwarded-Host", b"shop.example")]
    assert (forwarding(proxies(), PEER, once).scheme, forwarding(proxies(), PEER, once).host) == (
        "https",
        "shop.example",
    )
    twice = forwarding(proxies(), PEER, [(b"x-forwarded-proto", b"https"), (b"x-forwarded-proto", b"http"), *once[1:]])
    assert (twice.scheme, twice.host) == ("http", "shop.example")


@pytest.mark.parametrize(
    ("value", "elements"),
    [
        ("for=203.0.113.9", [{"for": "203.0.113.9"}]),
        (
            'For="[2001:db8::9]:80";Proto=https ; host="shop.example:8443", for=10.0.0.7',
            [{"for": "[2001:db8::9]:80", "proto": "https", "host": "shop.example:8443"}, {"for": "10.0.0.7"}],
        ),
        (r'for="a\"b, for=c"', [{"for": 'a"b, for=c'}]),
        ("for=", None),
        ('for="203.0.113.9', None),
        ("for=203.0.113.9;for=6.6.6.6", None),
        ("for=203.0.113.9 for=6.6.6.6", None),
        ("for 203.0.113.9", None),
        ("for=[2001:db8::9]", None),
        (", for=203.0.113.9", None),
    ],
)
def test_elements_of_forwarded(value: str, elements: list[dict[str, str]] | None) -> None:
    assert forwarded_elements(value) == elements


@pytest.mark.parametrize(
    ("lines", "client", "scheme", "host"),
    [
        (["for=203.0.113.9;proto=https;host=shop.example"], "203.0.113.9", "https", "shop.example"),
        (["for=6.6.6.6;proto=http, for=203.0.113.9;proto=https, for=10.0.0.7;proto=http"], "203.0.113.9", "https", ""),
        (['for="', "for=203.0.113.9;proto=https"], "203.0.113.9", "https", ""),
        # A quote that a client left open must not swallow what the proxy added.
        (['for=", for=203.0.113.9'], PEER, "", ""),
        (["proto=https"], PEER, "", ""),
        (["for=unknown;proto=https"], PEER, "", ""),
        (['for="[2001:db8::9]"'], "2001:db8::9", "", ""),
    ],
)
def test_forwarded_is_read_if_it_is_the_trusted_header(lines: list[str], client: str, scheme: str, host: str) -> None:
    fields = [(b"Forwarded", line.encode()) for line in lines] + [(b"X-Forwarded-For", b"6.6.6.6")]
    found = forwarding(proxies("Forwarded"), PEER, fields)
    assert (found.address, found.scheme, found.host) == (client, scheme, host)


def test_the_other_header_is_ignored() -> None:
    assert forwarding(proxies(), PEER, [(b"Forwarded", b"for=6.6.6.6")]).address == PEER


WRITTEN = ["10.0.0.7", "203.0.113.9", "[::1]:80", "unknown", "for=10.0.0.7", '"', ";", "", "\xff"]
NODES = st.lists(st.sampled_from(WRITTEN))


@settings(deadline=None)
@given(st.sampled_from(["X-Forwarded-For", "Forwarded"]), st.lists(NODES, max_size=3), st.binary(max_size=40))
def test_the_client_has_an_address_whatever_a_proxy_sends(
    header: TrustedHeader, lines: list[list[str]], noise: bytes
) -> None:
    name = header.encode()
    fields = [(name, ",".join(nodes).encode("latin-1")) for nodes in lines]
    found = forwarding(proxies(header), PEER, [(name, noise), *fields])
    ip_address(found.address)
    assert all(hop in proxies(header) for hop in found.hops)
    assert not found.hops or found.hops[-1] == PEER
