"""The head of a request: what is gathered while it is parsed, checked when it is complete, and sent on.

Facts (RFC 9110, RFC 9112): exactly one Host in HTTP/1.1 (9112 section 3.2); a
message with both Content-Length and Transfer-Encoding, several lengths or a
coding other than chunked is ambiguous and refused (section 6); the authority
of an absolute target must agree with Host (section 3.2.2); fields that
Connection names concern one connection (9110 section 7.6.1). A request that
has passed this gateway several times is in a loop (section 7.6.3), and one whose
Max-Forwards is 0 goes no further (section 7.6.2).

First what concerns this hop is stripped, then the gateway's own fields are
added, so that no client can have removed them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from strangler.auth.upgrade_token import take_from_subprotocols
from strangler.model.dropped_fields import ADDRESSES, FORWARDING_GROUP
from strangler.proxy.exchange.transforms import added_to_request, changed_request
from strangler.proxy.http.headers import (
    NAME_IN_VIA,
    REQUEST_ACTIONS,
    VIA_LINE,
    Action,
    Actions,
    connection_options,
    forwarded_host_line,
    forwarding_lines,
    is_host,
    is_request_id,
    is_traceparent,
    own_forwarded_line,
    protocols,
)
from strangler.routing.decide import Refusal
from strangler.routing.trust import Forwarding, TrustedProxies, forwarding, told_anew

if TYPE_CHECKING:
    from strangler.auth.identity import Identity
    from strangler.model.auth import TokenPlace
    from strangler.model.changes import Changes
    from strangler.model.listener import Limits

_DIGITS = frozenset(b"0123456789")
_KEPT_OPTIONS = frozenset({b"close", b"keep-alive", b"upgrade"})
_END_TO_END = frozenset({b"host", b"authorization"})
_OTHER_CODINGS = re.compile(rb"(?:(?!chunked)[!#$%&'*+.^_`|~0-9a-z-]+[ \t]*,[ \t]*)+chunked")
MOST_PASSES = 3
"""A request that has come through gateways of this name as often is refused; fewer may stand in a row."""
_SAID_ANEW = frozenset(name.lower().encode() for name in FORWARDING_GROUP.names)
_ADDRESSES = frozenset(name.encode() for name in ADDRESSES)


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
    """The header fields of one request.

    `fields` are as received. `credentials` are the values of all Authorization
    fields. `host` is "" where an HTTP/1.0 request has none. `request_id` is
    the client's X-Request-Id if it is usable, and `has_trace` tells whether its
    traceparent is. `client` is the client's address as trusted proxies forward
    it, else "". `upgrade` are the protocols to which the connection may switch.
    """

    __slots__ = (
        "_actions",
        "_connection",
        "_expect",
        "_forwarded",
        "_has_state",
        "_lines",
        "_max_forwards",
        "_passes",
        "_sent",
        "_sent_for",
        "_size",
        "_trusted",
        "_upgrade",
        "chunked",
        "client",
        "content_length",
        "credentials",
        "fields",
        "forwarding",
        "has_body",
        "has_trace",
        "host",
        "keep_alive",
        "minor",
        "request_id",
        "upgrade",
    )

    def __init__(self, trusted: TrustedPeer | None, actions: Actions = REQUEST_ACTIONS) -> None:
        self._actions = actions
        self.fields: list[tuple[bytes, bytes]] = []
        self.credentials: list[bytes] = []
        self.host: str | None = None
        self.request_id: bytes | None = None
        self.has_trace = False
        self._has_state = False
        self.content_length: bytes | None = None
        self.chunked = False
        self.has_body = False
        self.keep_alive = True
        self.minor = 1
        self.client = ""
        self._trusted = trusted
        self._forwarded: list[tuple[bytes, bytes]] = []
        self.forwarding: Forwarding | None = None
        self._size = 0
        self._lines: list[tuple[bytes, bytes]] = []
        self._connection: bytes | None = None
        self._max_forwards: bytes | None = None
        self._passes = 0
        self._expect = False
        self._upgrade: bytes | None = None
        self.upgrade: tuple[bytes, ...] = ()
        self._sent: bytes | None = None
        self._sent_for: tuple[Identity | None, bool, Changes | None] | None = None

    @property
    def size(self) -> int:
        """Bytes of all names and values so far."""
        return self._size

    @property
    def repeatable(self) -> bool:
        """Whether the same bytes mean the same whenever they come: they stand alone, and nothing in them counts."""
        return (
            self.minor == 1
            and self.keep_alive
            and self._max_forwards is None
            and not (self.has_body or self._expect or self._upgrade is not None)
        )

    @property
    def wants_upgrade(self) -> bool:
        """Whether the client asks for another protocol."""
        return self._upgrade is not None

    def add(self, name: bytes, value: bytes) -> None:
        """Take in one field.

        Raises HeadRefused.
        """
        self._size += len(name) + len(value)
        # The parser leaves white space behind a value, which is no part of it (RFC 9112 section 5.1).
        value = value.rstrip(b" \t")
        field = (name, value)
        self.fields.append(field)
        action = self._actions[name]
        if not action:
            self._lines.append(field)
            return
        match action:
            case Action.HOST:
                if self.host is not None:
                    raise HeadRefused(400, "The request has more than one Host field.")
                if not is_host(value):
                    raise HeadRefused(400, "Host is not a name or address.")
                self.host = value.decode("ascii")
                self._lines.append(field)
            case Action.AUTHORIZATION:
                self.credentials.append(value)
                self._lines.append(field)
            case Action.CONTENT_LENGTH:
                if self.content_length is not None:
                    raise HeadRefused(400, "The request has more than one Content-Length field.")
                if not value or not _DIGITS.issuperset(value):
                    raise HeadRefused(400, "Content-Length is not a number.")
                # Without leading zeros no server behind can take the number for an octal one.
                self.content_length = value.lstrip(b"0") or b"0"
            case Action.TRANSFER_ENCODING:
                if self.chunked or value.lower() != b"chunked":
                    understood = not self.chunked and _OTHER_CODINGS.fullmatch(value.lower())
                    status = 501 if understood else 400
                    raise HeadRefused(status, "The only transfer coding understood is chunked, once.")
                self.chunked = True
            case Action.CONNECTION:
                self._connection = value if self._connection is None else self._connection + b"," + value
            case Action.REQUEST_ID:
                if self.request_id is None and is_request_id(value):
                    self.request_id = value
                    self._lines.append(field)
            case Action.TRACEPARENT:
                if not self.has_trace and is_traceparent(value):
                    self.has_trace = True
                    self._lines.append(field)
            case Action.TRACESTATE:
                self._has_state = True
                self._lines.append(field)
            case Action.FORWARDED:
                if self._trusted is not None:
                    self._forwarded.append(field)
            case Action.FROM_PROXIES:
                if self._trusted is not None:
                    self._lines.append(field)
            case _:
                self._add_rare(action, field)

    def _add_rare(self, action: int, field: tuple[bytes, bytes]) -> None:
        """Take in a field that few requests have; one without an action here is dropped."""
        value = field[1]
        match action:
            case Action.EXPECT:
                if value.lower() != b"100-continue":
                    raise HeadRefused(417, "The only expectation understood is 100-continue.")
                self._expect = True
                self._lines.append(field)
            case Action.UPGRADE:
                self._upgrade = value if self._upgrade is None else self._upgrade + b"," + value
            case Action.VIA:
                self._passes += len(NAME_IN_VIA.findall(value))
                self._lines.append(field)
            case Action.MAX_FORWARDS:
                if self._max_forwards is not None:
                    raise HeadRefused(400, "The request has more than one Max-Forwards field.")
                self._max_forwards = value
                self._lines.append(field)

    def complete(self, method: str, target: bytes, version: str, keep_alive: bool, limits: Limits) -> None:
        """Check the head as a whole; `target` is as sent, `version` and `keep_alive` are as the parser found them.

        Raises HeadRefused.
        """
        if self._size > limits.header_bytes or len(self.fields) > limits.header_count:
            raise HeadRefused(431, "The request's header fields are too large or too many.")
        self.keep_alive = keep_alive
        if version == "1.0":
            self.minor = 0
        elif version != "1.1":
            raise HeadRefused(505, f"HTTP/{version} is not supported; use HTTP/1.1.")
        if self._connection is not None:
            options = connection_options(self._connection)
            named = options - _KEPT_OPTIONS
            if named:
                self._strip(named)
            if self.minor == 0 and b"keep-alive" not in options:
                self.keep_alive = False
        elif self.minor == 0:
            # The parser lets Proxy-Connection count, too (RFC 9112 appendix C.2.2).
            self.keep_alive = False
        if self.chunked and (self.content_length is not None or self.minor == 0):
            raise HeadRefused(400, "Transfer-Encoding is combined with Content-Length or HTTP/1.0.")
        if (
            self._upgrade is not None
            # A server need not switch (RFC 9110 section 7.8), and clients that prefer HTTP/2 ask with every body.
            # A GET with Content-Length 0 is a handshake like one without the field.
            and (self.content_length is None or (self.content_length == b"0" and method == "GET"))
            and not self.chunked
            # Without the option in Connection the field is not meant for this hop.
            and self.minor == 1
            and b"upgrade" in connection_options(self._connection or b"")
        ):
            self.upgrade = protocols(self._upgrade)
        if self._has_state and not self.has_trace:
            # It is about a trace that goes no further (W3C Trace Context section 3.3).
            self._lines = [field for field in self._lines if field[0].lower() != b"tracestate"]
        if self._expect and self.minor == 0:
            self._strip(frozenset({b"expect"}))
        if self.host is None:
            if self.minor == 1:
                raise HeadRefused(400, "The request has no Host field.")
            self._take_host(target)
        if self._trusted is not None:
            self._take_forwarded(self._trusted)
        self.has_body = self.chunked or (self.content_length is not None and self.content_length != b"0")
        if method == "TRACE" and self.has_body:
            raise HeadRefused(400, "A TRACE request must not have a body.")
        if self._passes >= MOST_PASSES:
            raise HeadRefused(
                508,
                f"The request has come through a gateway of this name {self._passes} times (Via): "
                "an upstream's address leads back to the gateway.",
            )
        if self._max_forwards is not None and method in ("OPTIONS", "TRACE"):
            self._count_forward(method, self._max_forwards)

    def _take_host(self, target: bytes) -> None:
        """The host of an HTTP/1.0 request without Host: that of an absolute target, or none."""
        authority = b"" if target.startswith(b"/") else authority_and_path(target)[0]
        if authority:
            if not is_host(authority):
                raise HeadRefused(400, "The request target's authority is not a name or address.")
            self._lines.insert(0, (b"Host", authority))
        self.host = authority.decode("ascii")

    def _count_forward(self, method: str, left: bytes) -> None:
        """Count Max-Forwards down; the gateway itself responds to a request with none left (RFC 9110 section 7.6.2)."""
        if not left or not _DIGITS.issuperset(left) or len(left) > 9:
            raise HeadRefused(400, "Max-Forwards is not a number, or too large.")
        if int(left) == 0:
            if method == "OPTIONS":
                raise HeadRefused(200, "The request goes no further: its Max-Forwards is 0.")
            raise HeadRefused(405, "TRACE is not allowed, and the request goes no further: its Max-Forwards is 0.")
        self._lines = [
            (name, b"%d" % (int(left) - 1)) if REQUEST_ACTIONS[name] == Action.MAX_FORWARDS else (name, value)
            for name, value in self._lines
        ]

    def _take_forwarded(self, trusted: TrustedPeer) -> None:
        """Take the client's address, scheme and host from the trusted proxy's fields.

        Connection can't remove them: a careless proxy may have passed that field on from the client.
        """
        self.forwarding = forwarding(trusted.proxies, trusted.address, self._forwarded)
        self.client = self.forwarding.address
        scheme = self.forwarding.scheme or trusted.scheme
        written: set[bytes] = set()
        for name, value in self._forwarded:
            lower = name.lower()
            if lower in _SAID_ANEW or lower in written:
                continue
            if lower in _ADDRESSES:
                self._lines.append((name, self.client.encode("ascii")))
                continue
            anew = told_anew(lower, self._forwarded, self.forwarding, scheme)
            if anew is None:
                self._lines.append((name, value))
                continue
            # Once, and not at all where the proxies' fields have nothing usable.
            written.add(lower)
            if anew:
                self._lines.append((name, anew))

    def _strip(self, named: frozenset[bytes]) -> None:
        """Remove what Connection names."""
        if named & _END_TO_END:
            raise HeadRefused(400, "Connection names a field that concerns more than this connection.")
        if b"x-request-id" in named:
            self.request_id = None
        if b"traceparent" in named:
            self.has_trace = False
        self._lines = [field for field in self._lines if field[0].lower() not in named]
        self.fields = [field for field in self.fields if field[0].lower() not in named]

    def take_subprotocol_tokens(self, place: TokenPlace) -> list[str]:
        """Remove the tokens that stand at `place` in Sec-WebSocket-Protocol, and return them."""
        found, kept = take_from_subprotocols(self.fields, place)
        if found:
            self.fields[:] = kept
            self._lines = take_from_subprotocols(self._lines, place)[1]
        return found

    def sent(
        self,
        forwarded: bytes,
        identity: Identity | None,
        keep_token: bool,
        changes: Changes | None = None,
        element: str = "",
    ) -> bytes:
        """The fields as they go to the upstream, each ended by CRLF; the fields of a single request are added to them.

        `forwarded` are the lines about the client's connection, `changes` those that the route makes. `element`, where
        it is not empty, is that connection's part of Forwarded.
        """
        wanted = (identity, keep_token, changes)
        if self._sent is not None and self._sent_for == wanted:
            return self._sent
        parts: list[bytes] = []
        for name, value in self._lines if changes is None else changed_request(changes, self._lines):
            if keep_token or identity is None or REQUEST_ACTIONS[name] != Action.AUTHORIZATION:
                parts += (name, b": ", value, b"\r\n")
        if self.content_length is not None:
            parts += (b"Content-Length: ", self.content_length, b"\r\n")
        elif self.chunked:
            parts.append(b"Transfer-Encoding: chunked\r\n")
        parts.append(forwarded)
        if self.forwarding is not None:
            assert self._trusted is not None
            told = any(name.lower() == b"x-forwarded-port" for name, _ in self._forwarded)
            parts.append(forwarding_lines(self.forwarding, self._trusted.scheme, self.host or "", told))
        elif self.host:
            parts.append(forwarded_host_line(self.host, forwarded.endswith(b" https\r\n")))
        if element:
            parts.append(own_forwarded_line(element, self.host or ""))
        if identity is not None:
            parts.append(identity.header_lines)
        if changes is not None:
            parts.append(added_to_request(changes, self._lines))
        parts.append(VIA_LINE)
        self._sent = b"".join(parts)
        self._sent_for = wanted
        return self._sent


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
