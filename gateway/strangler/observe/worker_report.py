"""What a worker reports to the control process: plain values, pickled, and therefore not compiled (decision 0031)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from strangler.observe.callers import CallersReport
from strangler.observe.route_callers import RouteCallersReport

Labels = tuple[str, str, str, int]
"""Route, side, upstream, status; empty text where there is none."""


FallbackLabels = tuple[str, str, str, str]
"""Route, migration ("" where there is none), what responded instead (`legacy`, `stale`, `static`), and the cause."""


class RequestFigures(NamedTuple):
    """The requests of one label set: how many, their latencies in all, bytes sent to clients, latencies by bucket."""

    requests: int
    seconds: float
    bytes_out: int
    buckets: list[int]

    def plus(self, other: RequestFigures) -> RequestFigures:
        """The figures of both."""
        buckets = [a + b for a, b in zip(self.buckets, other.buckets, strict=True)]
        return RequestFigures(
            self.requests + other.requests, self.seconds + other.seconds, self.bytes_out + other.bytes_out, buckets
        )


class ConnectionCounts(NamedTuple):
    """The connections of one process to one endpoint: all that are open, and those of them that are idle."""

    open: int
    idle: int


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that happened to an upstream, for the event log."""

    event: str
    fields: dict[str, str | int]


@dataclass(frozen=True, slots=True)
class UpstreamState:
    """How one worker sees an upstream, or one side of a migration, now.

    `breaker` is "" where there is none. `running` and `waiting` are counted
    where there is a concurrency limit.
    """

    breaker: str = ""
    opened: int = 0
    ejected: tuple[str, ...] = ()
    running: int = 0
    waiting: int = 0


@dataclass(slots=True)
class WorkerReport:
    """What one worker counted since its last report, and its connections now.

    `redis` is the error of the Redis that holds rate limits, "" where it works,
    None where the worker uses none. `callers` are those of migrations that are rolled out.
    """

    requests: dict[Labels, RequestFigures] = field(default_factory=dict)
    events: dict[tuple[str, str], int] = field(default_factory=dict)
    tunnel_bytes: dict[str, int] = field(default_factory=dict)
    fallbacks: dict[FallbackLabels, int] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    upstreams: dict[str, UpstreamState] = field(default_factory=dict)
    client_connections: int = 0
    tunnels: int = 0
    upstream_connections: dict[str, ConnectionCounts] = field(default_factory=dict)
    redis: str | None = None
    callers: list[CallersReport] = field(default_factory=list)
    route_callers: RouteCallersReport | None = None
