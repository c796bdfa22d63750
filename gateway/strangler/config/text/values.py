"""Values that YAML writes as text: durations, sizes, addresses, conditions.

Each function goes from what the YAML says to what the snapshot holds, and
raises ValueError with a message for a person.
"""

from __future__ import annotations

import ipaddress
import math
import re
from dataclasses import replace
from urllib.parse import SplitResult, urlsplit

from strangler.config.text.environment import Substituted
from strangler.config.text.problems import suggestion
from strangler.model.auth import TokenPlace
from strangler.model.caller import Condition, StickyKey
from strangler.model.listener import Listener
from strangler.model.upstream import Endpoint

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_SIZE = re.compile(r"([0-9]+)(B|KiB|MiB|GiB)")
CERTIFICATE_NAMES = ("subject", "dns", "uri")
_BYTES = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_FIELD_VALUE = re.compile(r"(?![ \t])[\t -~\x80-\xff]*(?<![ \t])")
_ORIGIN = re.compile(
    r"(?P<scheme>https?)://(?:\*\.)?(?:\[[0-9a-f:]+\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)(?::(?P<port>[0-9]{1,5}))?"
)
# Of apps and extensions; that of files has no host.
_OTHER_ORIGIN = re.compile(r"(?!https?:)[a-z][a-z0-9+.-]*://(?:[A-Za-z0-9._~%-]+(?::[0-9]{1,5})?)?")
_SCOPE = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+")
_PROTOCOL = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+(/[A-Za-z0-9!#$%&'*+.^_`|~-]+)?")
_PLACE = re.compile(r"[A-Za-z0-9._~-]+")
KUBERNETES_SUBPROTOCOL = "base64url.bearer.authorization.k8s.io"
_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?")


def described(value: object) -> str:
    """What was written, as a person would call it."""
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}"
    if value is None:
        return "nothing"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the text '{value}'"
    return "a list" if isinstance(value, list) else "a mapping"


def parse_duration(value: object) -> float:
    """Seconds of `250ms`, `5s`, `1.5m`, `1h` or a number of seconds."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        seconds = float(value)
    elif isinstance(value, str):
        match = _DURATION.fullmatch(value.strip())
        if match is not None:
            seconds = float(match[1]) * _SECONDS[match[2]]
        else:
            try:
                seconds = float(value)
            except ValueError:
                raise ValueError(f"expected a duration such as 250ms, 5s, 1m or 1h, found {described(value)}") from None
    else:
        raise ValueError(f"expected a duration such as 250ms, 5s, 1m or 1h, found {described(value)}")
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError(f"a duration can't be {value}")
    return seconds


def parse_positive_duration(value: object) -> float:
    """The same, but not zero."""
    seconds = parse_duration(value)
    if seconds == 0:
        raise ValueError("must be longer than 0s")
    return seconds


def parse_size(value: object) -> int:
    """Bytes of `8KiB`, `1MiB` or a number of bytes."""
    if isinstance(value, str):
        match = _SIZE.fullmatch(value.strip())
        if match is not None:
            value = int(match[1]) * _BYTES[match[2]]
        elif value.isascii() and value.isdigit():
            value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"expected a size such as 8KiB, 1MiB or a number of bytes, found {described(value)}")
    if value < 1:
        raise ValueError("must be at least 1 byte")
    return value


def parse_listener(value: object) -> Listener:
    """An address `host:port`; a port alone is one on 127.0.0.1."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return Listener("127.0.0.1", _port(value))
    if not isinstance(value, str):
        raise ValueError(f"expected host:port or a port, found {described(value)}")
    host, colon, port = value.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()):
        raise ValueError(f"expected host:port or a port, found {described(value)}")
    if not host or host == "*":
        raise ValueError(f"names no host: write 0.0.0.0:{port} for every IPv4 address, [::]:{port} for IPv6")
    return Listener(_host(host), _port(int(port)))


def parse_endpoint(value: object) -> Endpoint:
    """A base URL `http://host[:port]` or `https://host[:port]`, or a mapping of `url` and `weight`."""
    if not isinstance(value, dict):
        return _endpoint(value)
    for key in value:
        if key not in ("url", "weight"):
            raise ValueError(f"an endpoint has no '{key}', but url and weight")
    if "url" not in value:
        raise ValueError("the key 'url' is missing")
    weight = value.get("weight", 1)
    if isinstance(weight, str) and weight.isascii() and weight.isdigit():
        weight = int(weight)
    if not isinstance(weight, int) or isinstance(weight, bool) or not 1 <= weight <= 1_000_000:
        raise ValueError(f"expected a weight from 1 on, a whole number, found {described(weight)}")
    return replace(_endpoint(value["url"]), weight=weight)


def _endpoint(value: object) -> Endpoint:
    if not isinstance(value, str):
        raise ValueError(f"expected a URL such as http://127.0.0.1:8100, found {described(value)}")
    parts = _url(value)
    port = parts.port
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"expected a URL such as http://127.0.0.1:8100, found {described(value)}")
    if parts.username is not None or parts.password is not None:
        raise ValueError("an endpoint can't hold a user name or password")
    if parts.path not in ("", "/") or parts.query or parts.fragment or "?" in value or "#" in value:
        raise ValueError("an endpoint is scheme, host and port alone: requests keep the path they came with")
    bracketed = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    host = _host(bracketed)
    if port == 0:
        raise ValueError("port 0 can't be connected to")
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
    return str(address), _port(int(port))


def parse_server_name(value: object) -> str:
    """A host name or an address that a certificate can be for."""
    if not isinstance(value, str):
        raise ValueError(f"expected a host name or an address, found {described(value)}")
    return _host(f"[{value}]" if ":" in value else value).rstrip(".")


def _host(text: str) -> str:
    if text.startswith("[") or text.endswith("]"):
        try:
            return str(ipaddress.IPv6Address(text.removeprefix("[").removesuffix("]")))
        except ValueError:
            raise ValueError(f"'{text}' is not an IPv6 address") from None
    if ":" in text:
        raise ValueError(f"'{text}' is not a host: an IPv6 address goes in brackets, [{text}]")
    if not text.isascii():
        raise ValueError(f"'{text}' is not written as in DNS and certificates{_in_ascii(text)}")
    if _HOST_NAME.fullmatch(text) is None:
        raise ValueError(f"'{text}' is not a host name or address")
    if any(len(label) > 63 for label in text.split(".")):
        raise ValueError(f"'{text}' has a part of more than 63 characters, the longest that DNS knows")
    if re.fullmatch(r"[0-9.]+", text):
        try:
            ipaddress.IPv4Address(text)
        except ValueError:
            raise ValueError(f"'{text}' is not an IPv4 address") from None
    return text.lower()


def _in_ascii(name: str) -> str:
    """How a name with other letters is written in ASCII (RFC 5890), as a hint; "" where that can't be told."""
    try:
        return f"; did you mean '{name.encode('idna').decode('ascii')}'?"
    except UnicodeError:
        return ""


def _port(port: int) -> int:
    if not 0 <= port <= 65535:
        raise ValueError(f"port {port} is not between 0 and 65535")
    return port


def parse_sticky(value: object) -> StickyKey:
    """`claim:NAME`, `header:NAME`, `cookie:NAME`, `certificate`, `ip`, `visitor` or `none`."""
    if not isinstance(value, str):
        raise ValueError(f"expected a sticky key such as claim:sub, found {described(value)}")
    kind, colon, name = value.partition(":")
    match kind, bool(colon):
        case (("claim" | "header" | "cookie"), True):
            return StickyKey(kind, _field_name(kind, name))
        case (("certificate" | "ip" | "visitor" | "none"), False):
            return StickyKey(kind)
        case _:
            known = ("claim:NAME", "header:NAME", "cookie:NAME", "certificate", "ip", "visitor", "none")
            raise ValueError(f"'{value}' is no sticky key: {' | '.join(known)}")


def parse_limit_key(value: object) -> StickyKey:
    """What a rate limit counts by: a sticky key that a client can't have anew at will."""
    key = parse_sticky(value)
    if key.kind in ("visitor", "none"):
        raise ValueError(f"'{value}' limits nobody: callers get another at will; without `key` all count together")
    return key


def parse_redis_url(value: object) -> str:
    """`redis://`, `rediss://` (TLS) or `unix://`; a password must come from the environment."""
    if not isinstance(value, str):
        raise ValueError(f"expected a URL such as redis://127.0.0.1:6379, found {described(value)}")
    parts = _url(value)
    located = parts.path if parts.scheme == "unix" else parts.hostname
    if parts.scheme not in ("redis", "rediss", "unix") or not located or parts.port == 0:
        raise ValueError(f"expected a URL such as redis://127.0.0.1:6379, found {described(value)}")
    _check_password(value, parts)
    return str(value)


def parse_condition(value: object) -> Condition:
    """`claim:NAME=VALUE`, `scope:NAME`, `certificate:NAME=VALUE`, `header:…`, `cookie:NAME=VALUE` or `ip:ADDRESS`."""
    if not isinstance(value, str):
        raise ValueError(f"expected a condition such as claim:tenant=acme, found {described(value)}")
    kind, colon, rest = value.partition(":")
    if colon:
        name, equals, wanted = rest.partition("=")
        match kind:
            case "claim" | "header" | "cookie":
                return Condition(kind, _field_name(kind, name), wanted if equals else None)
            case "scope":
                return Condition("scope", parse_scope(rest))
            case "certificate":
                return Condition("certificate", parse_certificate_name(name), wanted if equals else None)
            case "ip":
                return Condition("ip", parse_network(rest))
    hint = suggestion(kind, ("claim", "scope", "certificate", "header", "cookie", "ip"))
    raise ValueError(
        f"'{value}' is no condition: claim:NAME=VALUE, scope:NAME, certificate:NAME=VALUE, header:NAME=VALUE,"
        " cookie:NAME=VALUE or ip:ADDRESS" + (f"; {hint}" if hint else "")
    )


def parse_permission(value: object) -> Condition:
    """A condition that a client can't forge: `claim:NAME=VALUE`, `scope:NAME` or `certificate:NAME=VALUE`."""
    condition = parse_condition(value)
    if condition.kind not in ("claim", "scope", "certificate"):
        raise ValueError(
            "only a claim, a scope or a certificate can permit this: a client chooses its headers and cookies"
        )
    return condition


def parse_certificate_name(name: object) -> str:
    """What a rule may ask of a client certificate: `subject`, or its alternative names by kind, `dns` or `uri`."""
    if name not in CERTIFICATE_NAMES:
        known = " | ".join(CERTIFICATE_NAMES)
        raise ValueError(f"{described(name)} is nothing that a certificate is asked for: {known}")
    return str(name)


def parse_upgrade(value: object) -> str:
    """A protocol that a request may switch to (RFC 9110 section 7.8), in lower case.

    Another HTTP or TLS would carry requests past the rules that only the first one was held against.
    """
    if not isinstance(value, str) or _PROTOCOL.fullmatch(value) is None:
        raise ValueError(f"expected a protocol such as websocket, found {described(value)}")
    protocol = value.lower()
    if protocol.partition("/")[0] in ("h2c", "h2", "h3", "http", "https", "tls"):
        raise ValueError(f"an upgrade to {value} would carry requests that no rule has seen")
    return protocol


def parse_token_place(value: object) -> TokenPlace:
    """`query:NAME`, `subprotocol:NAME`, `subprotocol-pair:NAME` or `kubernetes`."""
    if isinstance(value, str):
        if value == "kubernetes":
            return TokenPlace("kubernetes", KUBERNETES_SUBPROTOCOL)
        kind, _, name = value.partition(":")
        match kind:
            case "query" | "subprotocol" | "subprotocol-pair" if _PLACE.fullmatch(name):
                return TokenPlace(kind, name)
    raise ValueError(
        f"expected query:NAME, subprotocol:NAME, subprotocol-pair:NAME or kubernetes, found {described(value)}"
    )


def parse_scope(value: object) -> str:
    """A scope (RFC 6749 section 3.3): no spaces, those stand between scopes."""
    if not isinstance(value, str):
        raise ValueError(f"expected a scope such as orders:read, found {described(value)}")
    if _SCOPE.fullmatch(value) is None:
        raise ValueError(f"'{value}' is not one scope; list several as [a, b]")
    return str(value)


def _field_name(kind: str, name: str) -> str:
    if not name:
        raise ValueError(f"'{kind}:' needs a name")
    if kind != "claim" and _TOKEN.fullmatch(name) is None:
        raise ValueError(f"'{name}' can't be the name of a {kind}")
    return name


def parse_header_name(value: object) -> str:
    """A header's name (RFC 9110 section 5.1)."""
    if not isinstance(value, str) or _TOKEN.fullmatch(value) is None:
        raise ValueError(f"{described(value)} can't be a header's name")
    return value


def parse_header_value(value: object) -> str:
    """A header's value (RFC 9110 section 5.5): no control characters, no white space around it."""
    if not isinstance(value, str):
        raise ValueError(f"expected text, found {described(value)}")
    if _FIELD_VALUE.fullmatch(value) is None:
        raise ValueError("holds what can't stand in a header: a control character, or white space around it")
    return str(value)


def parse_origin(value: object) -> str:
    """An origin as browsers write it (RFC 6454 section 6.2), with `*.` for all names below a domain, or `*`.

    `null` is the origin of pages that have none, such as sandboxed frames.
    """
    if value is None:
        raise ValueError('the origin null is written "null", in quotes: without them it is nothing in YAML')
    if not isinstance(value, str):
        raise ValueError(f"expected an origin such as https://app.example, found {described(value)}")
    if value in ("*", "null") or _OTHER_ORIGIN.fullmatch(value):
        return value
    match = _ORIGIN.fullmatch(value)
    if match is None:
        if not value.isascii():
            raise ValueError(
                f"'{value}' is no origin: browsers write names in ASCII, as in https://xn--bcher-kva.example"
            )
        if value != value.lower() and _ORIGIN.fullmatch(value.lower()):
            raise ValueError(f"browsers write origins in lower case; did you mean '{value.lower()}'?")
        raise ValueError(f"'{value}' is no origin: scheme, host and perhaps a port, as in https://app.example")
    if (match["scheme"], match["port"]) in (("http", "80"), ("https", "443")):
        raise ValueError(f"browsers leave the port out; did you mean '{value.rpartition(':')[0]}'?")
    return str(value)


def parse_method(value: object) -> str:
    """A method (RFC 9110 section 9.1): methods are case-sensitive and those in use are upper case."""
    if not isinstance(value, str) or _TOKEN.fullmatch(value) is None:
        raise ValueError(f"expected a method such as GET, found {described(value)}")
    if value != value.upper():
        raise ValueError(f"methods are upper case; did you mean '{value.upper()}'?")
    return value


def parse_store_url(value: object) -> str:
    """`sqlite:///PATH` or `postgresql://…`; a password must come from the environment."""
    if not isinstance(value, str):
        raise ValueError(f"expected a URL such as sqlite:///var/strangler.sqlite3, found {described(value)}")
    parts = _url(value)
    if parts.scheme == "sqlite" and value.startswith("sqlite:///") and len(value) > len("sqlite:///"):
        return str(value)
    if parts.scheme in ("postgresql", "postgres") and parts.hostname:
        _check_password(value, parts)
        return str(value)
    raise ValueError("expected sqlite:///PATH or postgresql://HOST/DATABASE")


def _url(value: str) -> SplitResult:
    """A URL taken apart, with a port that can be one."""
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError as error:
        # It names a piece of the URL, and that may be a piece of a password.
        said = "" if isinstance(value, Substituted) else f": {error}"
        raise ValueError(f"'{value}' is not a URL{said}") from None
    return parts


def _check_password(value: str, parts: SplitResult) -> None:
    if parts.password and not isinstance(value, Substituted):
        raise ValueError("a password doesn't belong into the YAML: write ${NAME} and set it in the environment")


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
        raise ValueError(f"'{value}' has bits set beyond its prefix; did you mean '{network}'?")
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def parse_match_host(value: object) -> str:
    """A host name, or `*.` and a name for all below it."""
    if not isinstance(value, str):
        raise ValueError(f"expected a host such as shop.example or *.shop.example, found {described(value)}")
    name = value.removeprefix("*.")
    if "*" in name:
        raise ValueError(f"'{value}': a star may only stand for everything before a name, as in *.shop.example")
    if ":" in name and not name.startswith("["):
        raise ValueError(f"'{value}': a host is matched without its port")
    prefix = "*." if name is not value and name != value else ""
    return prefix + _host(name).rstrip(".")
