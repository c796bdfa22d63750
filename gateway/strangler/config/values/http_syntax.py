"""Parts of HTTP messages: methods, names and values of header fields, origins, protocols."""

from __future__ import annotations

import re

from strangler.config.text.problems import described

TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_FIELD_VALUE = re.compile(r"(?![ \t])[\t -~\x80-\xff]*(?<![ \t])")
_ORIGIN = re.compile(
    r"(?P<scheme>https?)://(?:\*\.)?(?:\[[0-9a-f:]+\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)(?::(?P<port>[0-9]{1,5}))?"
)
# Of apps and extensions; that of files has no host.
_OTHER_ORIGIN = re.compile(r"(?!https?:)[a-z][a-z0-9+.-]*://(?:[A-Za-z0-9._~%-]+(?::[0-9]{1,5})?)?")
_PROTOCOL = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+(/[A-Za-z0-9!#$%&'*+.^_`|~-]+)?")


def parse_method(value: object) -> str:
    """A method (RFC 9110 section 9.1): methods are case-sensitive and those in use are upper case."""
    if not isinstance(value, str) or TOKEN.fullmatch(value) is None:
        raise ValueError(f"expected a method such as GET, found {described(value)}")
    if value != value.upper():
        raise ValueError(f"methods are upper case; did you mean '{value.upper()}'?")
    return value


def parse_header_name(value: object) -> str:
    """A header's name (RFC 9110 section 5.1)."""
    if not isinstance(value, str) or TOKEN.fullmatch(value) is None:
        raise ValueError(f"{described(value)} is not a valid header name")
    return value


def parse_header_value(value: object) -> str:
    """A header's value (RFC 9110 section 5.5): no control characters, no white space around it."""
    if not isinstance(value, str):
        raise ValueError(f"expected text, found {described(value)}")
    if _FIELD_VALUE.fullmatch(value) is None:
        raise ValueError(
            "is not a valid header value: it holds a control character, or begins or ends with white space"
        )
    return str(value)


def parse_origin(value: object) -> str:
    """An origin as browsers write it (RFC 6454 section 6.2), with `*.` for all names below a domain, or `*`.

    `null` is the origin of pages that have none, such as sandboxed frames.
    """
    if value is None:
        raise ValueError('write the origin null in quotes, "null": without them YAML reads no value')
    if not isinstance(value, str):
        raise ValueError(f"expected an origin such as https://app.example, found {described(value)}")
    if value in ("*", "null") or _OTHER_ORIGIN.fullmatch(value):
        return value
    match = _ORIGIN.fullmatch(value)
    if match is None:
        if not value.isascii():
            raise ValueError(
                f"'{value}' is not an origin: browsers write host names in ASCII, as in https://xn--bcher-kva.example"
            )
        if value != value.lower() and _ORIGIN.fullmatch(value.lower()):
            raise ValueError(f"browsers write origins in lower case; did you mean '{value.lower()}'?")
        raise ValueError(
            f"'{value}' is not an origin; write scheme, host and optionally a port, as in https://app.example"
        )
    if (match["scheme"], match["port"]) in (("http", "80"), ("https", "443")):
        raise ValueError(f"browsers omit the default port; did you mean '{value.rpartition(':')[0]}'?")
    return str(value)


def parse_upgrade(value: object) -> str:
    """A protocol that a request may switch to (RFC 9110 section 7.8), in lower case.

    Another HTTP or TLS would carry requests past the rules that only the first one was held against.
    """
    if not isinstance(value, str) or _PROTOCOL.fullmatch(value) is None:
        raise ValueError(f"expected a protocol such as websocket, found {described(value)}")
    protocol = value.lower()
    if protocol.partition("/")[0] in ("h2c", "h2", "h3", "http", "https", "tls"):
        raise ValueError(f"an upgrade to {value} would carry requests that bypass every rule")
    return protocol
