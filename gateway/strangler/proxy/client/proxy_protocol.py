"""The PROXY protocol, by which a load balancer that forwards bytes passes on the client's address.

Facts (HAProxy's proxy-protocol.txt, versions 1 and 2): the header comes first
on a connection, before TLS, and once. A receiver must not guess whether there
is one, so it is configured for the listener; and since any client could send
one, it is taken from trusted peers alone. Version 1 is a line of at most 107
bytes, version 2 a signature, a command, a family and a length.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from typing import cast

from strangler.proxy.client.peer import peer_of
from strangler.routing.trust import TrustedProxies, plain_address

LONGEST_LINE = 107
LONGEST_BINARY = 4096

_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_LINE_BEGINS = b"PROXY "
_HEAD = struct.Struct("!12sBBH")
_LOCAL, _PROXY = 0x20, 0x21
_TCP4, _TCP6 = 0x11, 0x21


class MalformedHeader(Exception):
    """The input is no PROXY protocol header; the message is the reason."""


def read_header(data: bytes) -> tuple[str | None, int] | None:
    """The client's address, and how many bytes the header has; None while it is not complete.

    The address is None if the load balancer connects on its own behalf, or does
    not know it. Raises MalformedHeader.
    """
    if data.startswith(_SIGNATURE):
        return _read_binary(data)
    if data.startswith(_LINE_BEGINS):
        return _read_line(data)
    if _SIGNATURE.startswith(data) or _LINE_BEGINS.startswith(data):
        return None
    raise MalformedHeader("no header")


def _read_line(data: bytes) -> tuple[str | None, int] | None:
    end = data.find(b"\r\n", 0, LONGEST_LINE)
    if end < 0:
        if len(data) >= LONGEST_LINE:
            raise MalformedHeader("line too long")
        return None
    try:
        words = data[len(_LINE_BEGINS) : end].decode("ascii").split(" ")
        if words[0] == "UNKNOWN":
            return None, end + 2
        family, source, destination, *ports = words
        kind = {"TCP4": IPv4Address, "TCP6": IPv6Address}[family]
        if "%" in source + destination:
            # A zone (RFC 4007) names an interface of the load balancer, and is no part of the protocol.
            raise MalformedHeader("an address with a zone")
        kind(destination)
        if len(ports) != 2 or not all(port.isdigit() and int(port) <= 65535 for port in ports):
            raise MalformedHeader("bad ports")
        return plain_address(str(kind(source))), end + 2
    except (ValueError, KeyError):
        raise MalformedHeader("bad line") from None


def _read_binary(data: bytes) -> tuple[str | None, int] | None:
    if len(data) < _HEAD.size:
        return None
    _, command, family, length = _HEAD.unpack_from(data)
    if command not in (_LOCAL, _PROXY):
        raise MalformedHeader("bad version or command")
    if length > LONGEST_BINARY:
        raise MalformedHeader("header too long")
    end = _HEAD.size + length
    if len(data) < end:
        return None
    body = data[_HEAD.size : end]
    if command == _LOCAL or family not in (_TCP4, _TCP6):
        return None, end
    size = 4 if family == _TCP4 else 16
    if length < size * 2 + 4:
        raise MalformedHeader("addresses cut off")
    source = IPv4Address(body[:size]) if family == _TCP4 else IPv6Address(body[:size])
    return plain_address(str(source)), end


class ProxiedConnection:
    """A connection whose header is still to come.

    `introduced` gives the protocol that takes over, for an address and whether
    its forwarding headers may be believed. `settled` is called once: with "",
    or with the reason why the connection was closed.
    """

    __slots__ = ("_data", "_ended", "_introduced", "_peer", "_proxies", "_settled", "_transport", "deadline")

    def __init__(
        self,
        proxies: TrustedProxies,
        introduced: Callable[[str, bool], asyncio.Protocol],
        settled: Callable[[ProxiedConnection, str], None],
    ) -> None:
        self.deadline = float("inf")
        self._proxies = proxies
        self._introduced = introduced
        self._settled = settled
        self._transport: asyncio.Transport = None  # type: ignore[assignment]
        self._peer = ""
        self._data = b""
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._peer = peer_of(transport)
        if self._ended:
            self._transport.abort()
        elif self._peer not in self._proxies:
            self._give_up("not a trusted proxy")

    def data_received(self, data: bytes) -> None:
        if self._ended:
            return
        self._data += data
        try:
            header = read_header(self._data)
        except MalformedHeader as malformed:
            self._give_up(str(malformed))
            return
        if header is None:
            return
        address, end = header
        rest = self._data[end:]
        self._end("")
        protocol = self._introduced(address or self._peer, address is not None)
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        if rest:
            protocol.data_received(rest)

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        """Nothing is written here."""

    def resume_writing(self) -> None:
        """Nothing is written here."""

    def connection_lost(self, exc: Exception | None) -> None:
        self._end("the connection ended")

    def abort(self) -> None:
        """Wait no longer."""
        self._give_up("too slow")

    def _give_up(self, reason: str) -> None:
        self._end(reason)
        # A busy event loop makes the protocol long before it has a transport for it.
        if self._transport is not None:
            self._transport.abort()

    def _end(self, reason: str) -> None:
        if not self._ended:
            self._ended = True
            self._settled(self, reason)
