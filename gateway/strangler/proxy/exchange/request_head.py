"""The head of a request: what it says, where it goes on to, and its fields for an upstream.

It is made by `plain_head`, in one pass over the bytes, or by `gathered_head` of
what the parser reports. First what concerns this hop is stripped, then the
gateway's own fields are added, so that no client can have removed them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from strangler.auth.upgrade_token import take_from_subprotocols
from strangler.routing.decide import Refusal
from strangler.routing.trust import Forwarding, TrustedProxies

if TYPE_CHECKING:
    from strangler.model.auth import TokenPlace

Fields = list[tuple[bytes, bytes]]

CRLF: Final = b"\r\n"


class HeadRefused(Exception):
    """The response to the request is `refusal`, and the connection closes behind it."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.refusal = Refusal(status, detail)


@dataclass(frozen=True, slots=True)
class TrustedPeer:
    """A trusted proxy at the other end of a connection, over which `scheme` is spoken."""

    address: str
    scheme: str
    proxies: TrustedProxies


class RequestHead:
    """The line and the header fields of one request.

    `line` is sent on, and ends with CRLF; `path` and `query` are of its target.
    `lines` are the fields that go on, without CRLF, `credential_lines` those of
    them that are Authorization, with the values `credentials`. `host` is "" where
    an HTTP/1.0 request has none. `about_host` are the lines that tell an upstream
    where the request came from beside what is known of the connection.
    `request_id` is the client's X-Request-Id if it is usable, and `has_trace` tells
    whether its traceparent is. `client` is the client's address as trusted proxies
    forward it, else "". `upgrade` are the protocols to which the connection may switch.
    """

    __slots__ = (
        "_fields",
        "_received",
        "about_host",
        "chunked",
        "client",
        "content_length",
        "credential_lines",
        "credentials",
        "forwarding",
        "has_body",
        "has_trace",
        "host",
        "keep_alive",
        "line",
        "lines",
        "method",
        "minor",
        "path",
        "query",
        "request_id",
        "upgrade",
    )

    def __init__(self, line: bytes, method: str, path: str, query: str, received: list[bytes]) -> None:
        """A head without a field that means anything yet; `received` are the lines of all fields."""
        self.line = line
        self.method = method
        self.path = path
        self.query = query
        self.lines: list[bytes] = received
        self.credentials: list[bytes] = []
        self.credential_lines: list[bytes] = []
        self.host = ""
        self.about_host = b""
        self.request_id: bytes | None = None
        self.has_trace = False
        self.content_length: bytes | None = None
        self.chunked = False
        self.has_body = False
        self.keep_alive = True
        self.minor = 1
        self.client = ""
        self.forwarding: Forwarding | None = None
        self.upgrade: tuple[bytes, ...] = ()
        self._received = received
        self._fields: Fields | None = None

    @property
    def fields(self) -> Fields:
        """Names and values as received."""
        fields = self._fields
        if fields is None:
            fields = self._fields = as_fields(self._received)
        return fields

    @property
    def wants_upgrade(self) -> bool:
        """Whether the client asks for another protocol."""
        return False

    def take_subprotocol_tokens(self, place: TokenPlace) -> list[str]:
        """Remove the tokens that stand at `place` in Sec-WebSocket-Protocol, and return them."""
        found, kept = take_from_subprotocols(self.fields, place)
        if found:
            self._fields = kept
            self.lines = as_lines(take_from_subprotocols(as_fields(self.lines), place)[1])
        return found


def as_fields(lines: list[bytes]) -> Fields:
    """The names and values of lines with a colon and a space between them."""
    return [(name, value) for name, _, value in [line.partition(b": ") for line in lines]]


def as_lines(fields: Fields) -> list[bytes]:
    """The lines of names and values."""
    return [b"%b: %b" % field for field in fields]


def parse_target(url: bytes, method: str, host: str) -> tuple[bytes, str, str]:
    """The target to send on, and its path and query for routing.

    Raises HeadRefused.
    """
    if not url.startswith(b"/"):
        if url == b"*" and method == "OPTIONS":
            return url, "*", ""
        authority, url = authority_and_path(url)
        if host and authority.lower() != host.lower().encode("ascii"):
            raise HeadRefused(400, "The request target and Host name different authorities.")
        if not url and method == "OPTIONS":
            return b"*", "*", ""
        if not url.startswith(b"/"):
            url = b"/" + url
    if b"#" in url:
        raise HeadRefused(400, "A request target has no fragment.")
    try:
        path, _, query = url.decode("ascii").partition("?")
    except UnicodeDecodeError:
        raise HeadRefused(400, "The request target is not ASCII.") from None
    return url, path, query


def authority_and_path(url: bytes) -> tuple[bytes, bytes]:
    """The authority of an absolute target, and what follows it.

    Raises HeadRefused.
    """
    scheme, separator, rest = url.partition(b"://")
    if not separator or scheme.lower() not in (b"http", b"https"):
        raise HeadRefused(400, "The request target is neither a path nor an http URL.")
    end = min((place for place in (rest.find(b"/"), rest.find(b"?")) if place >= 0), default=len(rest))
    return rest[:end], rest[end:]
