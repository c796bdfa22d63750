"""Where to listen and where to connect: addresses with ports, endpoints of upstreams, name servers."""

from __future__ import annotations

import ipaddress
from dataclasses import replace

from strangler.config.text.problems import described
from strangler.config.values.hosts import checked_port, host_of
from strangler.config.values.urls import url_parts
from strangler.model.listener import ListenAddress
from strangler.model.upstream import Endpoint


def parse_listener(value: object) -> ListenAddress:
    """An address `host:port`; a port alone is one on 127.0.0.1."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return ListenAddress("127.0.0.1", checked_port(value))
    if not isinstance(value, str):
        raise ValueError(f"expected host:port or a port, found {described(value)}")
    host, colon, port = value.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()):
        raise ValueError(f"expected host:port or a port, found {described(value)}")
    if not host or host == "*":
        raise ValueError(f"the host is missing: write 0.0.0.0:{port} for every IPv4 address, [::]:{port} for IPv6")
    return ListenAddress(host_of(host), checked_port(int(port)))


def parse_endpoint(value: object) -> Endpoint:
    """A base URL `http://host[:port]` or `https://host[:port]`, or a mapping of `url` and `weight`."""
    if not isinstance(value, dict):
        return _endpoint(value)
    for key in value:
        if key not in ("url", "weight"):
            raise ValueError(f"unknown key '{key}' in an endpoint; known: url, weight")
    if "url" not in value:
        raise ValueError("the key 'url' is missing")
    weight = value.get("weight", 1)
    if isinstance(weight, str) and weight.isascii() and weight.isdigit():
        weight = int(weight)
    if not isinstance(weight, int) or isinstance(weight, bool) or not 1 <= weight <= 1_000_000:
        raise ValueError(f"expected a whole number from 1 as weight, found {described(weight)}")
    return replace(_endpoint(value["url"]), weight=weight)


def _endpoint(value: object) -> Endpoint:
    if not isinstance(value, str):
        raise ValueError(f"expected a URL such as http://127.0.0.1:8100, found {described(value)}")
    parts = url_parts(value)
    port = parts.port
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"expected a URL such as http://127.0.0.1:8100, found {described(value)}")
    if parts.username is not None or parts.password is not None:
        raise ValueError("an endpoint can't hold a user name or password")
    if parts.path not in ("", "/") or parts.query or parts.fragment or "?" in value or "#" in value:
        raise ValueError("an endpoint is scheme, host and port only: requests keep their path")
    bracketed = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    host = host_of(bracketed)
    if port == 0:
        raise ValueError("an endpoint can't have port 0")
    usual = 443 if parts.scheme == "https" else 80
    authority = bracketed if port in (None, usual) else f"{bracketed}:{port}"
    return Endpoint(
        f"{parts.scheme}://{authority}", host, port or usual, authority.encode("ascii"), parts.scheme == "https"
    )


def parse_name_server(value: object) -> tuple[str, int]:
    """Address and port of a name server: `10.0.0.10`, `127.0.0.1:5353` or `[::1]:5353`."""
    if not isinstance(value, str):
        raise ValueError(f"expected an address such as 10.0.0.10 or 127.0.0.1:5353, found {described(value)}")
    host, colon, port = value.rpartition(":")
    if value.endswith("]") or not colon or not (port.isascii() and port.isdigit()) or (":" in host and host[0] != "["):
        host, port = value, "53"
    try:
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        raise ValueError(f"expected an address such as 10.0.0.10 or 127.0.0.1:5353, found {described(value)}") from None
    return str(address), checked_port(int(port))
