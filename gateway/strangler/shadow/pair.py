"""A pair on its way from a worker to the judge: one request, and what each side responded.

Named tuples, because a worker packs one for every copied request. Nothing here reaches a disk as it is; see
`strangler.redaction.redaction`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from strangler.comparison.response import Response
from strangler.model.methods import COMPARABLE
from strangler.model.migration import SideName


class Reason:
    """Why there is no comparison of a request, in metrics, status and reports.

    `failing` decides what counts against the candidate and what is left out.
    """

    # Left out before a copy is sent, by what the client or legacy did or the configuration says.
    SAMPLED_OUT = "sampled out"
    METHOD = "method not copied"
    UPGRADE = "upgrade"
    OVERLOAD = "overload"
    CLIENT_GONE = "client gone"
    INCOMPLETE = "request incomplete"
    CONDITIONAL = "conditional"
    STOPPED = "gateway stopped"
    CHANGED = "configuration changed"
    RACY = "racy"

    # What a side did: the candidate's failures count against it.
    TOO_BIG = "too big"
    ENDLESS = "endless stream"
    TIMED_OUT = "timed out"
    UNREACHABLE = "could not be reached"
    BROKE_OFF = "broke off"
    MALFORMED = "malformed response"
    UNANSWERED = "caller not answered"

    # The two responses differ, and no more could be learned about it: counts as a mismatch.
    UNCONFIRMED = "not confirmed"
    COSTLY = "too costly"
    FAILED = "not judged"


UNSAMPLED = frozenset((Reason.SAMPLED_OUT, Reason.METHOD, Reason.UPGRADE))
"""Reasons of requests that shadowing never meant to compare."""

_FAILURES_OF_THE_COPY = frozenset((Reason.TIMED_OUT, Reason.UNREACHABLE, Reason.BROKE_OFF, Reason.MALFORMED))


def failing(reason: str, served: SideName) -> bool:
    """Whether a worker's `reason` for a request without a pair is the candidate's failure.

    `served` is the side that the caller got; the other one is sent the copy.
    """
    return reason in _FAILURES_OF_THE_COPY if served == "legacy" else reason == Reason.UNANSWERED


class SideResponse(NamedTuple):
    """One side's response.

    `endpoint` is the base URL that gave it; `head` are the header lines, each
    ended by CRLF; `seconds` is the time from the request to the last byte.
    `missing` says why there is no whole response, and is empty where there is.
    """

    endpoint: str
    status: int
    head: bytes
    body: bytes
    seconds: float
    missing: str = ""

    @property
    def response(self) -> Response:
        """The response as it is compared."""
        lines = self.head.split(b"\r\n")
        fields = (line.partition(b":") for line in lines if line)
        return Response(self.status, tuple((name, value.strip(b" \t")) for name, _, value in fields), self.body)


class Pair(NamedTuple):
    """A request that both sides were asked.

    `request` are the bytes of the copy, head and body. `operation` is the
    method and the route's pattern, `route` the route's name, `served` the side
    that the caller got, `at` when that was, in seconds since 1970. `caller` is
    a digest that distinguishes the caller from others. `self_test` names the known
    pair that this is, and is empty for traffic. `version` is that of the
    worker's configuration.
    """

    migration: str
    route: str
    operation: str
    at: float
    served: SideName
    caller: int
    request: bytes
    self_test: str
    legacy: SideResponse
    extracted: SideResponse
    version: str = ""

    @property
    def method(self) -> str:
        """The request's method."""
        return self.request.partition(b" ")[0].decode("ascii")

    @property
    def target(self) -> str:
        """The request's target, as sent."""
        return self.request.split(b" ", 2)[1].decode("ascii")

    @property
    def is_read(self) -> bool:
        """Whether the request changes nothing, so that it can be sent once more."""
        return self.request.startswith(b"GET ") or self.method in COMPARABLE

    @property
    def request_line(self) -> bytes:
        """The first line of the request."""
        return self.request[: self.request.index(b"\r\n")]

    @property
    def body(self) -> bytes:
        """The request's body, in the framing in which it was sent."""
        return self.request.partition(b"\r\n\r\n")[2]


class NotCompared(NamedTuple):
    """Requests of one operation, served by one side, of which there is no pair, for one reason.

    `version` is that of the worker's configuration.
    """

    migration: str
    route: str
    operation: str
    served: SideName
    reason: str
    version: str = ""


@lru_cache(4096)
def not_compared(
    migration: str, route: str, path: str, method: str, served: SideName, reason: str, version: str
) -> NotCompared:
    """Return the item for one `method` and one route's `path`, from a cache: a worker needs the same few all the time.

    Everything in the key comes from the configuration, `method` too: only what is copied or refused by name.
    The arguments are the cache's key; an object for them would have to be made for each request.
    """
    return NotCompared(migration, route, f"{method} {path}", served, reason, version)


class Batch(NamedTuple):
    """What a worker hands over at once: pairs, and how many requests there were without one."""

    pairs: list[Pair]
    not_compared: dict[NotCompared, int]
