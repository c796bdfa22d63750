"""What frames a response, as far as that is clear (RFC 9112 section 6.3)."""

from __future__ import annotations

from strangler.proxy.http.headers import connection_options

_DIGITS = frozenset(b"0123456789")


class BadResponse(Exception):
    """The endpoint's response is malformed or ambiguous; the message gives the reason."""


def check_framing(version: str, length: bytes | None, lengths: int, coding: bytes | None) -> None:
    """Raise BadResponse where the `length`, the number of `lengths` and the transfer `coding` are ambiguous."""
    if length is not None:
        if lengths > 1:
            raise BadResponse("several Content-Length fields")
        if coding is not None:
            raise BadResponse("both Content-Length and Transfer-Encoding")
        if not length or not _DIGITS.issuperset(length):
            raise BadResponse("Content-Length is not a number")
    elif coding is not None:
        if coding.lower() != b"chunked":
            raise BadResponse("a transfer coding other than chunked")
        if version != "1.1":
            raise BadResponse("Transfer-Encoding in HTTP/1.0")


def check_switch(upgrade: bytes | None, connection: bytes | None, length: bytes | None, coding: bytes | None) -> None:
    """Raise BadResponse unless a 101 is valid: it names a protocol, for this hop, and has no body."""
    if upgrade is None or b"upgrade" not in connection_options(connection or b""):
        raise BadResponse("it switches protocols without Upgrade and the option in Connection")
    if coding is not None or (length or b"0").strip(b"0"):
        raise BadResponse("it switches protocols in a message with a body")
