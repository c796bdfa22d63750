"""The PROXY protocol: valid, partial and malformed headers."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strangler.proxy.client.proxy_protocol import MalformedHeader, read_header

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
LINE = b"PROXY TCP4 203.0.113.9 192.0.2.1 56324 443\r\n"


def binary(command: int, family: int, body: bytes) -> bytes:
    return SIGNATURE + struct.pack("!BBH", command, family, len(body)) + body


def tcp4(source: str) -> bytes:
    return socket.inet_aton(source) + socket.inet_aton("192.0.2.1") + struct.pack("!HH", 56324, 443)


def tcp6(source: str) -> bytes:
    address = socket.inet_pton(socket.AF_INET6, source)
    return address + socket.inet_pton(socket.AF_INET6, "2001:db8::1") + struct.pack("!HH", 56324, 443)


@pytest.mark.parametrize(
    ("header", "address"),
    [
        (LINE, "203.0.113.9"),
        (b"PROXY TCP6 2001:DB8::9 2001:db8::1 56324 443\r\n", "2001:db8::9"),
        (b"PROXY UNKNOWN\r\n", None),
        (b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", None),
        (binary(0x21, 0x11, tcp4("203.0.113.9")), "203.0.113.9"),
        (binary(0x21, 0x21, tcp6("2001:db8::9")), "2001:db8::9"),
        (binary(0x21, 0x21, tcp6("::ffff:203.0.113.9")), "203.0.113.9"),
        (binary(0x21, 0x11, tcp4("203.0.113.9") + b"\x04\x00\x01\x00"), "203.0.113.9"),
        (binary(0x20, 0x00, b""), None),
        (binary(0x20, 0x11, tcp4("203.0.113.9")), None),
        (binary(0x21, 0x00, b""), None),
        (binary(0x21, 0x31, b"\x00" * 216), None),
    ],
)
def test_a_header_has_the_client_s_address_and_ends_before_its_data(header: bytes, address: str | None) -> None:
    assert read_header(header + b"GET / HTTP/1.1\r\n") == (address, len(header))
    for end in range(len(header)):
        assert read_header(header[:end]) is None


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"PROXY  TCP4 203.0.113.9 192.0.2.1 56324 443\r\n",
        b"PROXY TCP4 203.0.113.9 192.0.2.1 56324\r\n",
        b"PROXY TCP4 203.0.113.9 192.0.2.1 56324 443 1\r\n",
        b"PROXY TCP4 203.0.113.9 192.0.2.1 56324 70000\r\n",
        b"PROXY TCP4 203.0.113.9 192.0.2.1 -1 443\r\n",
        b"PROXY TCP4 2001:db8::9 2001:db8::1 56324 443\r\n",
        b"PROXY TCP6 203.0.113.9 192.0.2.1 56324 443\r\n",
        b"PROXY TCP6 fe80::1%eth0 2001:db8::1 56324 443\r\n",
        b"PROXY TCP6 2001:db8::9 fe80::1%1 56324 443\r\n",
        b"PROXY TCP4 shop.example 192.0.2.1 56324 443\r\n",
        b"PROXY UDP4 203.0.113.9 192.0.2.1 56324 443\r\n",
        b"proxy TCP4 203.0.113.9 192.0.2.1 56324 443\r\n",
        b"PROXY TCP4 203.0.113.9 192.0.2.1 56324 443\xff\r\n",
        b"PROXY TCP4 203.0.113.9 192.0.2.1 56324 443" + b" " * 100,
        SIGNATURE[:-1] + b"X",
        binary(0x11, 0x11, tcp4("203.0.113.9")),
        binary(0x22, 0x11, tcp4("203.0.113.9")),
        binary(0x21, 0x11, tcp4("203.0.113.9")[:-1]),
        binary(0x21, 0x21, tcp4("203.0.113.9")),
        SIGNATURE + struct.pack("!BBH", 0x21, 0x11, 65535),
    ],
)
def test_other_input_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedHeader):
        read_header(data)


BEGINNINGS = [b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + b"\x21\x11\x00\x0c"]


@settings(deadline=None)
@given(st.sampled_from(BEGINNINGS), st.binary(max_size=200))
def test_any_input_is_a_header_a_partial_header_or_malformed(begin: bytes, rest: bytes) -> None:
    data = begin + rest
    try:
        header = read_header(data)
    except MalformedHeader:
        # More bytes make it no better.
        with pytest.raises(MalformedHeader):
            read_header(data + b"x")
        return
    if header is not None:
        _, end = header
        assert 0 < end <= len(data)
        assert read_header(data + b"x") == header
