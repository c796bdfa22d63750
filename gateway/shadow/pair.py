"""A pair on its way from a worker to the judge: one request, and what each side answered to it.

Named tuples, because a worker packs one for every copied request. Nothing here reaches a disk as it is; see
`gateway.shadow.redaction`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from gateway.config.snapshot import SideName
from gateway.shadow.answer import Answer


class Reason:
    """Why a request was not compared. These words are in metrics, status and reports."""

    TOO_BIG = "too big"
    SAMPLED_OUT = "sampled out"
    OVERLOAD = "overload"
    TIMED_OUT = "timed out"
    CLIENT_GONE = "client gone"
    UPGRADE = "upgrade"
    ENDLESS = "endless stream"
    RACY = "racy"
    METHOD = "method not copied"
    UNREACHABLE = "copy not answered"
    UNANSWERED = "caller not answered"
    UNCONFIRMED = "not confirmed"
    INCOMPLETE = "request incomplete"
    COSTLY = "too costly"
    FAILED = "not judged"


class Answered(NamedTuple):
    """One side's answer.

    `endpoint` is the base URL that gave it; `head` are the header lines, each
    ended by CRLF; `seconds` is the time from the request to the last byte.
    """

    endpoint: str
    status: int
    head: bytes
    body: bytes
    seconds: float

    @property
    def answer(self) -> Answer:
        """The answer as it is compared."""
        lines = self.head.split(b"\r\n")
        fields = (line.partition(b":") for line in lines if line)
        return Answer(self.status, tuple((name, value.strip(b" \t")) for name, _, value in fields), self.body)


class Pair(NamedTuple):
    """A request that both sides have answered.

    `request` are the bytes of the copy, head and body. `endpoint` is the method
    and the route's pattern, `route` the route's name, `served` the side that
    the caller got, `at` when that was, in seconds since 1970.
    """

    migration: str
    route: str
    endpoint: str
    at: float
    served: SideName
    request: bytes
    legacy: Answered
    extracted: Answered

    @property
    def method(self) -> str:
        """The request's method."""
        return self.request.partition(b" ")[0].decode("ascii")

    @property
    def target(self) -> str:
        """The request's target, as sent."""
        return self.request.split(b" ", 2)[1].decode("ascii")


class NotCompared(NamedTuple):
    """Requests of one route that were not compared, for one reason."""

    migration: str
    route: str
    endpoint: str
    reason: str


@lru_cache(4096)
def not_compared(migration: str, route: str, path: str, method: str, reason: str) -> NotCompared:
    """Those of one `method` and one route's `path`; remembered, since a worker needs the same few again and again."""
    return NotCompared(migration, route, f"{method} {path}", reason)


class Batch(NamedTuple):
    """What a worker hands over at once: pairs, how often what was not compared, and copies that got no answer."""

    pairs: list[Pair]
    not_compared: dict[NotCompared, int]
