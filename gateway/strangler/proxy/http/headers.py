"""Header fields in transit: which are dropped, which are interpreted, which are forwarded.

Facts (RFC 9110 section 7.6.1, RFC 9112 section 6):

- Hop-by-hop fields, and those that Connection names, concern one connection
  and are never forwarded. The gateway writes its own framing fields.
- CGI-like servers (WSGI, PHP, Rack) treat `-` and `_` alike, some of them every
  non-alphanumeric character, so `X_Auth_Subject` reaches an application under
  the name of the gateway's own field. Variant spellings of a field that an
  upstream trusts or uses for framing are dropped. The fields that upstreams
  trust are in `strangler.model.dropped_fields`.

The action for a spelling is computed once and cached, because clients send the
same few dozen spellings in every request, and so is the meaning of a Host.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from strangler.model.changes import NOT_ALPHANUMERIC
from strangler.model.dropped_fields import BELIEVED, FORWARDED, IDENTITY
from strangler.proxy.http import field_actions as actions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from strangler.model.dropped_fields import Sender
    from strangler.routing.trust import Forwarding

VIA = b"1.1 strangler"
VIA_LINE = b"Via: " + VIA + b"\r\n"
REMEMBERED_SPELLINGS = 4096
REMEMBERED_HOSTS = 1024
REMEMBERED_HOST = 255
"""Longer ones are not cached: no name in the DNS is longer."""
REMEMBERED_OPTIONS = 256
REMEMBERED_OPTIONS_BYTES = 64
REMEMBERED_SPELLING = 64
"""Longer names are not cached, so that the cache stays below 1 MiB."""


HOP_BY_HOP = frozenset(
    {b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"proxy-authorization", b"te", b"trailer"}
)

_REQUEST: dict[bytes, int] = {
    **dict.fromkeys(HOP_BY_HOP | {b"http2-settings", b"x-shadow"}, actions.DROP),
    b"proxy-connection": actions.PROXY_CONNECTION,
    **dict.fromkeys([name.encode() for name in IDENTITY | BELIEVED], actions.DROP),
    **dict.fromkeys([name.encode() for name in FORWARDED], actions.FORWARDED),
    b"host": actions.HOST,
    b"content-length": actions.CONTENT_LENGTH,
    b"transfer-encoding": actions.TRANSFER_ENCODING,
    b"connection": actions.CONNECTION,
    b"authorization": actions.AUTHORIZATION,
    b"expect": actions.EXPECT,
    b"x-request-id": actions.REQUEST_ID,
    b"traceparent": actions.TRACEPARENT,
    b"tracestate": actions.TRACESTATE,
    b"upgrade": actions.UPGRADE,
    b"via": actions.VIA,
    b"max-forwards": actions.MAX_FORWARDS,
}
_RESPONSE: dict[bytes, int] = {
    **dict.fromkeys(HOP_BY_HOP, actions.DROP),
    b"proxy-connection": actions.PROXY_CONNECTION,
    b"upgrade": actions.UPGRADE,
    b"content-length": actions.CONTENT_LENGTH,
    b"transfer-encoding": actions.TRANSFER_ENCODING,
    b"connection": actions.CONNECTION,
    b"x-request-id": actions.REQUEST_ID,
    b"date": actions.DATE,
}
_GUARDED = frozenset(name for name in _REQUEST if name != b"te")
NAME_IN_VIA = re.compile(rb"(?:^|,)[ \t]*[^ \t,]+[ \t]+strangler(?=[ \t,]|$)", re.IGNORECASE)
"""Matches each entry of this gateway, or of another with its name, in a Via field (RFC 9110 section 7.6.3)."""


_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class Actions:
    """The action for each spelling of a field name; `known` has those that were looked up before.

    That is bounded in number and length, because clients choose the spellings:
    a full one starts anew. `passed` are folded names that are forwarded although
    they are guarded.
    """

    __slots__ = ("_guarded", "_named", "_passed", "known")

    def __init__(
        self,
        named: Mapping[bytes, int],
        guarded: frozenset[bytes],
        passed: Mapping[bytes, int] | None = None,
    ) -> None:
        self.known: dict[bytes, int] = {}
        self._named = named
        self._guarded = guarded
        self._passed = passed or {}

    def of(self, spelling: bytes) -> int:
        """The action for `spelling`; NO_NAME for what is no field name."""
        action = self.known.get(spelling)
        return self.look_up(spelling) if action is None else action

    def look_up(self, spelling: bytes) -> int:
        """The same for one that is not `known`."""
        if _NAME.fullmatch(spelling) is None:
            return actions.NO_NAME
        name = spelling.lower()
        action = self._named.get(name, actions.FORWARD)
        if not action or self._passed:
            folded = NOT_ALPHANUMERIC.sub(b"-", name)
            if folded in self._passed:
                action = self._passed[folded]
            elif not action and folded in self._guarded:
                action = actions.DROP
        if len(spelling) <= REMEMBERED_SPELLING:
            if len(self.known) >= REMEMBERED_SPELLINGS:
                self.known.clear()
            self.known[spelling] = action
        return action


def request_actions(passed: Mapping[str, Sender]) -> Actions:
    """Return the actions of request fields, with the folded names in `passed` forwarded."""
    senders: dict[Sender, int] = {"anyone": actions.FORWARD, "proxies": actions.FROM_PROXIES}
    return Actions(_REQUEST, _GUARDED, {name.encode(): senders[sender] for name, sender in passed.items()})


REQUEST_ACTIONS = request_actions({})
RESPONSE_ACTIONS = Actions(_RESPONSE, frozenset())


def connection_options(value: bytes) -> frozenset[bytes]:
    """Return the options of a Connection field, in lower case (RFC 9110 section 7.6.1)."""
    return remembered_options(value) if len(value) <= REMEMBERED_OPTIONS_BYTES else _options(value)


def _options(value: bytes) -> frozenset[bytes]:
    return frozenset(option.strip(b" \t").lower() for option in value.split(b",")) - {b""}


remembered_options = lru_cache(REMEMBERED_OPTIONS)(_options)
"""The same for short values, with a cache of recent ones: less than 1 MiB."""


def protocols(value: bytes) -> tuple[bytes, ...]:
    """Return the protocols of an Upgrade field, as spelled (RFC 9110 section 7.8)."""
    return tuple(protocol for part in value.split(b",") if (protocol := part.strip(b" \t")))


_HOST = re.compile(rb"(\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]+)(:[0-9]{0,5})?")
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")
_TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def forwarded_lines(peer: str, scheme: str) -> bytes:
    """Return the fields that describe the client's connection to an upstream."""
    return f"X-Forwarded-For: {peer}\r\nX-Forwarded-Proto: {scheme}\r\n".encode("ascii")


def forwarded_host_line(host: str, secure: bool) -> bytes:
    """Return the fields with the Host that the client requested, and its port or the scheme's default."""
    return f"X-Forwarded-Host: {host}\r\nX-Forwarded-Port: {port_of(host, secure)}\r\n".encode("ascii")


class Host:
    """A valid Host: its `text`, and the lines that tell an upstream of it, by whether the client used https."""

    __slots__ = ("lines", "secure_lines", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = forwarded_host_line(text, False)
        self.secure_lines = forwarded_host_line(text, True)


_hosts: dict[bytes, Host] = {}


def known_host(value: bytes) -> Host | None:
    """Return what a Host field with `value` means, None where it is not valid; cached for recent ones."""
    host = _hosts.get(value)
    if host is None and is_host(value):
        host = Host(value.decode("ascii"))
        if len(value) <= REMEMBERED_HOST:
            if len(_hosts) >= REMEMBERED_HOSTS:
                _hosts.clear()
            _hosts[value] = host
    return host


def forwarded_element(peer: str, scheme: str) -> str:
    """Return the Forwarded element of a client without a trusted proxy (RFC 7239 section 4), except the host."""
    node = f'"[{peer}]"' if ":" in peer else peer
    return f"for={node};proto={scheme}"


def own_forwarded_line(element: str, host: str) -> bytes:
    """Return the Forwarded field with one `element`, for a request to `host`."""
    about = f'{element};host="{host}"' if host else element
    return f"Forwarded: {about}\r\n".encode("ascii")


def port_of(host: str, secure: bool) -> str:
    """Return the port that `host` implies."""
    _, colon, port = host.rpartition(":")
    if colon and port and not port.endswith("]"):
        return port
    return "443" if secure else "80"


def forwarding_lines(forwarding: Forwarding, scheme: str, host: str, port_is_told: bool = False) -> bytes:
    """Return the fields for an upstream if trusted proxies forwarded the request.

    `scheme` is that of the last connection, `host` the Host received; both apply
    if the proxies sent nothing usable. `port_is_told` is whether the proxies sent
    the port, which is then forwarded.
    """
    chain = (forwarding.address, *forwarding.hops)
    said_scheme = forwarding.scheme or scheme
    said_host = forwarding.host if is_host(forwarding.host.encode("latin-1")) else host
    lines = forwarded_lines(", ".join(chain), said_scheme)
    if said_host:
        lines += f"X-Forwarded-Host: {said_host}\r\n".encode("ascii")
    if said_host and not port_is_told:
        lines += f"X-Forwarded-Port: {port_of(said_host, said_scheme == 'https')}\r\n".encode("ascii")
    if forwarding.header == "Forwarded":
        first, *others = [f'for="[{address}]"' if ":" in address else f"for={address}" for address in chain]
        about = f"{first};proto={said_scheme}" + (f';host="{said_host}"' if said_host else "")
        lines += f"Forwarded: {', '.join((about, *others))}\r\n".encode("ascii")
    return lines


def is_host(value: bytes) -> bool:
    """Return whether `value` is a valid Host (RFC 9110 section 7.2): a name or address, optionally a port."""
    return _HOST.fullmatch(value) is not None


def is_request_id(value: bytes) -> bool:
    """Return whether a client's request id is short and plain enough to be kept and logged."""
    return _REQUEST_ID.fullmatch(value) is not None


def is_traceparent(value: bytes) -> bool:
    """Return whether `value` is a W3C Trace Context traceparent, of version 00 or a later one of the same form."""
    return _TRACEPARENT.fullmatch(value) is not None
