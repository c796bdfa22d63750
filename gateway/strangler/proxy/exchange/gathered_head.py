"""The head of a request as the parser reports it, field by field, and checked when it is complete.

Facts (RFC 9110, RFC 9112): exactly one Host in HTTP/1.1 (9112 section 3.2); a
message with both Content-Length and Transfer-Encoding, several lengths or a
coding other than chunked is ambiguous and refused (section 6); the authority
of an absolute target must agree with Host (section 3.2.2); fields that
Connection names concern one connection (9110 section 7.6.1). A request that
has passed this gateway several times is in a loop (section 7.6.3), and one whose
Max-Forwards is 0 goes no further (section 7.6.2).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from strangler.model.dropped_fields import ADDRESSES, FORWARDING_GROUP
from strangler.proxy.exchange.request_head import Fields, HeadRefused, RequestHead, TrustedPeer, authority_and_path
from strangler.proxy.http import field_actions as actions
from strangler.proxy.http.headers import (
    NAME_IN_VIA,
    REQUEST_ACTIONS,
    Actions,
    Host,
    connection_options,
    forwarding_lines,
    is_request_id,
    is_traceparent,
    known_host,
    protocols,
)
from strangler.routing.trust import forwarding, told_anew

if TYPE_CHECKING:
    from strangler.model.listener import Limits

_DIGITS = frozenset(b"0123456789")
_KEPT_OPTIONS = frozenset({b"close", b"keep-alive", b"upgrade"})
_END_TO_END = frozenset({b"host", b"authorization"})
_OTHER_CODINGS = re.compile(rb"(?:(?!chunked)[!#$%&'*+.^_`|~0-9a-z-]+[ \t]*,[ \t]*)+chunked")
MOST_PASSES = 3
"""A request that has come through gateways of this name as often is refused; fewer may stand in a row."""
_SAID_ANEW = frozenset(name.lower().encode() for name in FORWARDING_GROUP.names)
_ADDRESSES = frozenset(name.encode() for name in ADDRESSES)


class GatheredHead(RequestHead):
    """A head while it is parsed; what RequestHead promises holds once it is `complete`."""

    __slots__ = (
        "_actions",
        "_connection",
        "_expect",
        "_forwarded",
        "_has_state",
        "_host",
        "_max_forwards",
        "_passes",
        "_secure",
        "_size",
        "_trusted",
        "_upgrade",
        "gathered",
    )

    def __init__(self, trusted: TrustedPeer | None, secure: bool, known: Actions = REQUEST_ACTIONS) -> None:
        """`secure` is whether the connection is over TLS."""
        super().__init__(b"", "", "", "", [])
        self._actions = known
        self.gathered: Fields = []
        self._fields = self.gathered
        self._secure = secure
        self._trusted = trusted
        self._forwarded: Fields = []
        self._has_state = False
        self._size = 0
        self._host: Host | None = None
        self._connection: bytes | None = None
        self._max_forwards: bytes | None = None
        self._passes = 0
        self._expect = False
        self._upgrade: bytes | None = None

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
        self.gathered.append((name, value))
        line = b"%b: %b" % (name, value)
        action = self._actions.of(name)
        if not action:
            self.lines.append(line)
            return
        match action:
            case actions.HOST:
                if self._host is not None:
                    raise HeadRefused(400, "The request has more than one Host field.")
                self._take_host(value, "Host is not a name or address.")
                self.lines.append(line)
            case actions.AUTHORIZATION:
                self.credentials.append(value)
                self.credential_lines.append(line)
                self.lines.append(line)
            case actions.CONTENT_LENGTH:
                if self.content_length is not None:
                    raise HeadRefused(400, "The request has more than one Content-Length field.")
                if not value or not _DIGITS.issuperset(value):
                    raise HeadRefused(400, "Content-Length is not a number.")
                # Without leading zeros no server behind can take the number for an octal one.
                self.content_length = value.lstrip(b"0") or b"0"
            case actions.TRANSFER_ENCODING:
                if self.chunked or value.lower() != b"chunked":
                    understood = not self.chunked and _OTHER_CODINGS.fullmatch(value.lower())
                    status = 501 if understood else 400
                    raise HeadRefused(status, "The only transfer coding understood is chunked, once.")
                self.chunked = True
            case actions.CONNECTION:
                self._connection = value if self._connection is None else self._connection + b"," + value
            case actions.REQUEST_ID:
                if self.request_id is None and is_request_id(value):
                    self.request_id = value
                    self.lines.append(line)
            case actions.TRACEPARENT:
                if not self.has_trace and is_traceparent(value):
                    self.has_trace = True
                    self.lines.append(line)
            case actions.TRACESTATE:
                self._has_state = True
                self.lines.append(line)
            case actions.FORWARDED:
                if self._trusted is not None:
                    self._forwarded.append((name, value))
            case actions.FROM_PROXIES:
                if self._trusted is not None:
                    self.lines.append(line)
            case _:
                self._add_rare(action, value, line)

    def _add_rare(self, action: int, value: bytes, line: bytes) -> None:
        """Take in a field that few requests have; one without an action here is dropped."""
        match action:
            case actions.EXPECT:
                if value.lower() != b"100-continue":
                    raise HeadRefused(417, "The only expectation understood is 100-continue.")
                self._expect = True
                self.lines.append(line)
            case actions.UPGRADE:
                self._upgrade = value if self._upgrade is None else self._upgrade + b"," + value
            case actions.VIA:
                self._passes += len(NAME_IN_VIA.findall(value))
                self.lines.append(line)
            case actions.MAX_FORWARDS:
                if self._max_forwards is not None:
                    raise HeadRefused(400, "The request has more than one Max-Forwards field.")
                self._max_forwards = value
                self.lines.append(line)

    def complete(self, method: str, target: bytes, version: str, keep_alive: bool, limits: Limits) -> None:
        """Check the head as a whole; `target` is as sent, `version` and `keep_alive` are as the parser found them.

        Raises HeadRefused.
        """
        if self._size > limits.header_bytes or len(self.gathered) > limits.header_count:
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
            self._remove_lines(frozenset({b"tracestate"}))
        if self._expect and self.minor == 0:
            self._strip(frozenset({b"expect"}))
        if self._host is None:
            if self.minor == 1:
                raise HeadRefused(400, "The request has no Host field.")
            self._take_authority(target)
        if self._trusted is not None:
            take_forwarded(self, self._forwarded, self._trusted)
        elif self._host is not None:
            self.about_host = self._host.secure_lines if self._secure else self._host.lines
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

    def _take_authority(self, target: bytes) -> None:
        """The host of an HTTP/1.0 request without Host: that of an absolute target, or none."""
        authority = b"" if target.startswith(b"/") else authority_and_path(target)[0]
        if authority:
            self._take_host(authority, "The request target's authority is not a name or address.")
            self.lines.insert(0, b"Host: " + authority)

    def _take_host(self, value: bytes, otherwise: str) -> None:
        self._host = host = known_host(value)
        if host is None:
            raise HeadRefused(400, otherwise)
        self.host = host.text

    def _count_forward(self, method: str, left: bytes) -> None:
        """Count Max-Forwards down; the gateway itself responds to a request with none left (RFC 9110 section 7.6.2)."""
        if not left or not _DIGITS.issuperset(left) or len(left) > 9:
            raise HeadRefused(400, "Max-Forwards is not a number, or too large.")
        if int(left) == 0:
            if method == "OPTIONS":
                raise HeadRefused(200, "The request goes no further: its Max-Forwards is 0.")
            raise HeadRefused(405, "TRACE is not allowed, and the request goes no further: its Max-Forwards is 0.")
        self.lines = [
            b"%b: %d" % (_name_of(line), int(left) - 1)
            if REQUEST_ACTIONS.of(_name_of(line)) == actions.MAX_FORWARDS
            else line
            for line in self.lines
        ]

    def _strip(self, named: frozenset[bytes]) -> None:
        """Remove what Connection names."""
        if named & _END_TO_END:
            raise HeadRefused(400, "Connection names a field that concerns more than this connection.")
        if b"x-request-id" in named:
            self.request_id = None
        if b"traceparent" in named:
            self.has_trace = False
        self._remove_lines(named)
        self._fields = [field for field in self.gathered if field[0].lower() not in named]

    def _remove_lines(self, named: frozenset[bytes]) -> None:
        self.lines = [line for line in self.lines if _name_of(line).lower() not in named]


def _name_of(line: bytes) -> bytes:
    return line.partition(b":")[0]


def take_forwarded(head: RequestHead, fields: Fields, trusted: TrustedPeer) -> None:
    """Take the client's address, scheme and host from the `fields` of a trusted proxy that tell of them.

    Connection can't remove them: a careless proxy may have passed that field on from the client.
    """
    told = head.forwarding = forwarding(trusted.proxies, trusted.address, fields)
    head.client = told.address
    scheme = told.scheme or trusted.scheme
    written: set[bytes] = set()
    port_is_told = False
    for name, value in fields:
        lower = name.lower()
        port_is_told = port_is_told or lower == b"x-forwarded-port"
        if lower in _SAID_ANEW or lower in written:
            continue
        if lower in _ADDRESSES:
            head.lines.append(b"%b: %b" % (name, head.client.encode("ascii")))
            continue
        anew = told_anew(lower, fields, told, scheme)
        if anew is None:
            head.lines.append(b"%b: %b" % (name, value))
            continue
        # Once, and not at all where the proxies' fields have nothing usable.
        written.add(lower)
        if anew:
            head.lines.append(b"%b: %b" % (name, anew))
    head.about_host = forwarding_lines(told, trusted.scheme, head.host, port_is_told)
