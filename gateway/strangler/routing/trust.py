"""Who the client is if proxies stand in front of the gateway, and which of their header fields are trusted.

Facts: a proxy appends the address of its own peer to
X-Forwarded-For, or of Forwarded (RFC 7239). So the list is read from its end:
what a trusted proxy added is true, and the first address from the end that is
not a trusted proxy's is the client. What stands before it is what the client
itself claims, and means nothing. A proxy that keeps one of the two fields
passes the other on as a client wrote it, so one field is read and the other
dropped.

Scheme, host and port come in the same way: each proxy appends its value to a
list, over one line or several, or replaces what was there. The value that
counts is the one written by the proxy that the client connected to. What a
client wrote itself stands before that and is never read, so no client can make
its connection look more secure than it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Literal

MOST_HOPS = 32
"""The maximum number of trusted proxies in a row that are followed; a longer list is a loop or an attack."""
REMEMBERED_ADDRESSES = 4096
LONGEST_ADDRESS = 64
"""An address has at most 45 characters, and the name of an interface after it is short."""

TrustedHeader = Literal["X-Forwarded-For", "Forwarded"]
Fields = list[tuple[bytes, bytes]]

# In this order; a proxy that sets one of them passes the others on as a client wrote them.
_SCHEME_FIELDS = (b"x-forwarded-proto", b"x-forwarded-protocol", b"x-forwarded-scheme", b"x-forwarded-ssl")
# Proxies name the scheme of a WebSocket's handshake ws or wss; servers compare with https.
_SCHEMES = {"http": "http", "ws": "http", "off": "http", "https": "https", "wss": "https", "on": "https"}
_PORT = re.compile(r"[0-9]{1,5}|_[A-Za-z0-9._-]+")
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PAIR = re.compile(rf'[ \t]*({_TOKEN})=(?:({_TOKEN})|"((?:[^"\\]|\\.)*)")[ \t]*')
_ESCAPED = re.compile(r"\\(.)")


def plain_address(text: str) -> str | None:
    """The address in `text` as it is written everywhere: without a zone, IPv4 also where IPv6 holds it; None for none.

    A zone names an interface of one machine (RFC 4007 section 6); an IPv4
    client of an IPv6 socket is an IPv4 client (RFC 4291 section 2.5.5.2).
    """
    return remembered_address(text) if len(text) <= LONGEST_ADDRESS else None


@lru_cache(REMEMBERED_ADDRESSES)
def remembered_address(text: str) -> str | None:
    """The same for text that is short enough to be an address."""
    try:
        address: IPv4Address | IPv6Address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return str(getattr(address, "ipv4_mapped", None) or address)


@lru_cache(REMEMBERED_ADDRESSES)
def network_of(peer: str) -> str:
    """The address by which a peer is counted: of IPv6 its 64 bits of network, since hosts choose the rest at will."""
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return peer
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return f"{IPv6Address(int(address) >> 64 << 64)}/64"
    return str(address)


def node_address(node: str) -> str | None:
    """The address of an element of X-Forwarded-For or a node of Forwarded, which may have a port; None for none."""
    node = node.strip(" \t")
    if node.startswith("["):
        host, bracket, port = node[1:].partition("]")
        if not bracket or ":" not in host or (port and not (port[0] == ":" and _PORT.fullmatch(port, 1))):
            return None
        return plain_address(host)
    if node.count(":") == 1:
        node, _, port = node.partition(":")
        if _PORT.fullmatch(port) is None:
            return None
    return plain_address(node)


class TrustedProxies:
    """The addresses whose word about clients counts."""

    __slots__ = ("_known", "_networks", "header")

    def __init__(self, networks: Iterable[str], header: TrustedHeader) -> None:
        self.header = header
        self._networks = tuple(ip_network(network) for network in networks)
        self._known: dict[str, bool] = {}

    def __contains__(self, address: str) -> bool:
        if not self._networks:
            return False
        known = self._known.get(address)
        if known is None:
            plain = plain_address(address)
            known = plain is not None and any(ip_address(plain) in network for network in self._networks)
            if len(self._known) < REMEMBERED_ADDRESSES and len(address) <= LONGEST_ADDRESS:
                self._known[address] = known
        return known


class Forwarding:
    """How a request came here: the client's `address`, then the proxies that passed it on, in `hops`.

    The last of `hops` is the peer. `scheme` (http or https) and `host` are what
    the client asked for as the proxies tell it, "" where they tell nothing usable.
    """

    __slots__ = ("address", "header", "hops", "host", "scheme")

    def __init__(
        self, header: TrustedHeader, address: str, hops: tuple[str, ...], scheme: str = "", host: str = ""
    ) -> None:
        self.header = header
        self.address = address
        self.hops = hops
        self.scheme = scheme
        self.host = host


def forwarding(proxies: TrustedProxies, peer: str, fields: Fields) -> Forwarding:
    """Where a request came from, as a trusted `peer` reports it in `fields`.

    Where the list can't be read any further, the last proxy that could be is
    used as the client: that proxy is responsible for its own clients.
    """
    if proxies.header == "Forwarded":
        return _by_forwarded(proxies, peer, fields)
    nodes = [node for value in _values(fields, b"x-forwarded-for") for node in value.split(",")]
    address, hops = _walk(proxies, peer, [node_address(node) for node in nodes[-MOST_HOPS:]])
    hop = len(hops)
    host = value_of_hop(_list(fields, b"x-forwarded-host"), hop)
    return Forwarding("X-Forwarded-For", address, hops, _scheme(fields, hop), host)


def _scheme(fields: Fields, hop: int) -> str:
    """The client's scheme; the first field that is there decides, so that no other can make it more secure."""
    for name in _SCHEME_FIELDS:
        values = _list(fields, name)
        if values:
            return value_of_hop([_SCHEMES.get(value.lower(), "") for value in values], hop)
    return ""


def value_of_hop(values: list[str], hop: int) -> str:
    """The one of `values` that the proxy wrote to which the client connected, `hop` proxies from the end.

    With fewer values than proxies, one of these has replaced the list or
    appends nothing, so it is not known who wrote which: they count where all
    are equal. Of different schemes the insecure one counts.
    """
    hop = max(1, hop)
    if len(values) >= hop:
        return values[-hop]
    distinct = set(values)
    if len(distinct) == 1:
        return values[0]
    return "http" if "http" in distinct else ""


def _by_forwarded(proxies: TrustedProxies, peer: str, fields: Fields) -> Forwarding:
    elements: list[dict[str, str]] = []
    for value in _values(fields, b"forwarded"):
        read = forwarded_elements(value)
        # One that can't be read hides whatever stands before it.
        elements = [] if read is None else elements + read
    elements = elements[-MOST_HOPS:]
    address, hops = _walk(proxies, peer, [node_address(element.get("for", "")) for element in elements])
    if not hops:
        return Forwarding("Forwarded", address, hops)
    # Its element was added by the proxy that the client connected to.
    said = elements[-len(hops)]
    return Forwarding("Forwarded", address, hops, _SCHEMES.get(said.get("proto", "").lower(), ""), said.get("host", ""))


def _walk(proxies: TrustedProxies, peer: str, addresses: list[str | None]) -> tuple[str, tuple[str, ...]]:
    """The client's address, and the proxies after it."""
    client, hops = peer, []
    for address in reversed(addresses):
        if address is None:
            break
        hops.append(client)
        client = address
        if client not in proxies:
            break
    return client, tuple(reversed(hops))


def forwarded_elements(value: str) -> list[dict[str, str]] | None:
    """The elements of a Forwarded field (RFC 7239 section 4), names in lower case; None if it is malformed."""
    elements: list[dict[str, str]] = [{}]
    place = 0
    while place < len(value):
        pair = _PAIR.match(value, place)
        if pair is None:
            return None
        name, token, quoted = pair[1].lower(), pair[2], pair[3]
        if name in elements[-1]:
            return None
        elements[-1][name] = token if token is not None else _ESCAPED.sub(r"\1", quoted)
        place = pair.end()
        if place == len(value):
            break
        if value[place] == ",":
            elements.append({})
        elif value[place] != ";":
            return None
        place += 1
    return elements


def _values(fields: Fields, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in fields if key.lower() == name]


def _list(fields: Fields, name: bytes) -> list[str]:
    """The elements of the list that the fields of that name make; empty ones don't count (RFC 9110 section 5.6.1)."""
    elements = [element.strip(" \t") for value in _values(fields, name) for element in value.split(",")]
    return [element for element in elements if element][-MOST_HOPS:]


def told_anew(name: bytes, fields: Fields, told: Forwarding, scheme: str) -> bytes | None:
    """The value for upstreams of a field about the client's connection; None where it goes on as it came.

    `scheme` is the client's as it was decided. Fields that repeat it agree
    with it, as servers that compare them refuse a contradiction.
    """
    if name in _SCHEME_FIELDS:
        if name == b"x-forwarded-ssl":
            return b"on" if scheme == "https" else b"off"
        return scheme.encode("ascii")
    if name == b"x-real-ip":
        return told.address.encode("ascii")
    if name == b"x-forwarded-port":
        port = value_of_hop(_list(fields, name), len(told.hops))
        return port.encode("ascii") if port.isascii() and port.isdigit() else b""
    return None
