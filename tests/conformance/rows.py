"""What a row of the tables says: bytes in, and what must come of them.

- `Request`: what a client sends, and what the upstream sees of it or with which
  status it is refused.
- `Response`: what an upstream answers, and what the client gets of it.
- `Conversation`: a sequence of both, for what depends on who speaks first.

`source` names the section of the RFC, or the attack, and the rule in a few
words. Fields that the gateway adds to every message (Via, X-Request-Id,
X-Forwarded-*, traceparent) are left out of what is expected; that they are
there, once, is checked for all rows alike.
"""

from __future__ import annotations

from dataclasses import dataclass

# Requests


@dataclass(frozen=True)
class Forwarded:
    """The upstream sees exactly these requests, without a byte between or behind them; each is answered by 200.

    None where it sees what was sent. `closes` where the connection ends then;
    otherwise it must go on to serve another request.
    """

    requests: tuple[bytes, ...] | None = None
    closes: bool = False


@dataclass(frozen=True)
class Refused:
    """The gateway answers by `status` and closes, and the upstream sees only the requests `before`.

    `partial` where the head is fine and the body is not: its beginning may have
    reached the upstream, whose connection ends without a whole request.
    `closes` is False where nothing about the message's end is in doubt.
    """

    status: int
    before: tuple[bytes, ...] = ()
    partial: bool = False
    closes: bool = True


@dataclass(frozen=True)
class Request:
    """One connection's worth of bytes from a client."""

    name: str
    source: str
    sent: bytes
    expected: Forwarded | Refused


# Responses


@dataclass(frozen=True)
class Got:
    """The client gets exactly this (None: what the upstream sent).

    `reused` tells whether the upstream's connection serves the next request,
    `closes` whether the client's connection ends.
    """

    response: bytes | None = None
    reused: bool = True
    closes: bool = False


@dataclass(frozen=True)
class BadGateway:
    """The client gets 502, or, where a part has reached it already, a message that is visibly broken."""

    status: int = 502


@dataclass(frozen=True)
class Response:
    """One connection's worth of bytes from an upstream, in answer to `request`.

    `ends` where the upstream closes its connection after them.
    """

    name: str
    source: str
    sent: bytes
    expected: Got | BadGateway
    request: bytes = b"GET /response HTTP/1.1\r\nHost: a\r\n\r\n"
    ends: bool = False


# Conversations


@dataclass(frozen=True)
class Client:
    """The client sends this."""

    data: bytes


@dataclass(frozen=True)
class Upstream:
    """The upstream sends this, on the connection at which the newest bytes arrived."""

    data: bytes


@dataclass(frozen=True)
class UpstreamSees:
    """Exactly this arrives at the upstream next."""

    data: bytes


@dataclass(frozen=True)
class ClientSees:
    """Exactly this arrives at the client next."""

    data: bytes


@dataclass(frozen=True)
class ClientSeesStatus:
    """A whole response of the gateway's own arrives at the client next."""

    status: int


@dataclass(frozen=True)
class ClientEnds:
    """The client hangs up."""


@dataclass(frozen=True)
class ClientBreaks:
    """The client's connection is reset."""


@dataclass(frozen=True)
class ClientFinishes:
    """The client sends nothing more, and goes on reading."""


@dataclass(frozen=True)
class UpstreamEnds:
    """The upstream hangs up."""


@dataclass(frozen=True)
class ClientSeesEnd:
    """The client's connection ends, without another byte."""


@dataclass(frozen=True)
class ClientSeesBreak:
    """The client's connection ends by a reset, so that half a message can't be taken for a whole one."""


@dataclass(frozen=True)
class UpstreamSeesEnd:
    """The upstream's connection ends, without another byte."""


Step = (
    Client
    | Upstream
    | UpstreamSees
    | ClientSees
    | ClientSeesStatus
    | ClientEnds
    | ClientBreaks
    | ClientFinishes
    | UpstreamEnds
    | ClientSeesEnd
    | ClientSeesBreak
    | UpstreamSeesEnd
)


@dataclass(frozen=True)
class Conversation:
    """Steps in order; each waits until what it says has happened."""

    name: str
    source: str
    steps: tuple[Step, ...]


Row = Request | Response | Conversation


# Shorter ways to write messages


def lines(*of: bytes) -> bytes:
    """A head: these lines and the empty one."""
    return b"\r\n".join(of) + b"\r\n\r\n"


def get(*fields: bytes, target: bytes = b"/t", method: bytes = b"GET") -> bytes:
    """A request without a body, to host `a`."""
    return lines(method + b" " + target + b" HTTP/1.1", b"Host: a", *fields)


def post(*fields: bytes, body: bytes = b"", target: bytes = b"/t", method: bytes = b"POST") -> bytes:
    """A request with `body`; the framing field is up to the row."""
    return get(*fields, target=target, method=method) + body


def ok(*fields: bytes, body: bytes = b"", status: bytes = b"200 OK") -> bytes:
    """A response with `body`; the framing field is up to the row."""
    return lines(b"HTTP/1.1 " + status, *fields) + body
