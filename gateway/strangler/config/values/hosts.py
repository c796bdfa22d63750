"""Host names, ports and networks."""

from __future__ import annotations

import ipaddress
import re

from strangler.config.text.problems import described

_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?")


def host_of(text: str) -> str:
    if text.startswith("[") or text.endswith("]"):
        try:
            return str(ipaddress.IPv6Address(text.removeprefix("[").removesuffix("]")))
        except ValueError:
            raise ValueError(f"'{text}' is not an IPv6 address") from None
    if ":" in text:
        raise ValueError(f"'{text}' is not a host; write an IPv6 address in brackets, [{text}]")
    if not text.isascii():
        raise ValueError(f"'{text}' is not in the ASCII form that DNS and certificates use{_in_ascii(text)}")
    if _HOST_NAME.fullmatch(text) is None:
        raise ValueError(f"'{text}' is not a host name or address")
    if any(len(label) > 63 for label in text.split(".")):
        raise ValueError(f"'{text}' has a label longer than 63 characters, the maximum in DNS")
    if re.fullmatch(r"[0-9.]+", text):
        try:
            ipaddress.IPv4Address(text)
        except ValueError:
            raise ValueError(f"'{text}' is not an IPv4 address") from None
    return text.lower()


def _in_ascii(name: str) -> str:
    """How a name with other letters is written in ASCII (RFC 5890), as a hint; "" if there is no such form."""
    try:
        return f"; did you mean '{name.encode('idna').decode('ascii')}'?"
    except UnicodeError:
        return ""


def checked_port(port: int) -> int:
    if not 0 <= port <= 65535:
        raise ValueError(f"port {port} is not between 0 and 65535")
    return port


def parse_server_name(value: object) -> str:
    """A host name or an address that a certificate can be for."""
    if not isinstance(value, str):
        raise ValueError(f"expected a host name or an address, found {described(value)}")
    return host_of(f"[{value}]" if ":" in value else value).rstrip(".")


def parse_match_host(value: object) -> str:
    """A host name, or `*.` and a name for all below it."""
    if not isinstance(value, str):
        raise ValueError(f"expected a host such as shop.example or *.shop.example, found {described(value)}")
    name = value.removeprefix("*.")
    if "*" in name:
        raise ValueError(f"'{value}': a star is allowed only as the first label, as in *.shop.example")
    if ":" in name and not name.startswith("["):
        raise ValueError(f"'{value}': a host is matched without its port")
    prefix = "*." if name is not value and name != value else ""
    return prefix + host_of(name).rstrip(".")


def parse_network(value: object) -> str:
    """An address or a CIDR block, in its canonical spelling."""
    if not isinstance(value, str):
        raise ValueError(f"expected an address or a block such as 10.0.0.0/8, found {described(value)}")
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise ValueError(f"expected an address or a block such as 10.0.0.0/8, found {described(value)}") from None
    if "/" in value and ipaddress.ip_network(value, strict=False).network_address != ipaddress.ip_address(
        value.partition("/")[0]
    ):
        raise ValueError(f"'{value}' has host bits set; did you mean '{network}'?")
    return str(network.network_address) if network.num_addresses == 1 else str(network)
