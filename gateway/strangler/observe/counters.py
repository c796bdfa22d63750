"""What a worker counts: requests and latencies per route, side, upstream and status.

A worker adds to plain integers; every so often it hands the control process
what came since the last time, and the control process keeps the sums. So a
worker that dies takes at most one interval of figures with it.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the latency histogram, in seconds; one more bucket holds what lies above."""

MOST_NOTICES = 100
MOST_EVENTS = 500
"""So many different events have a count of their own; further ones are counted together, by name."""
LONGEST_LABEL = 200
MANY = "others"
"""The label of events that are counted together."""

Labels = tuple[str, str, str, int]
"""Route, side, upstream, status; empty text where there is none."""


FallbackLabels = tuple[str, str, str, str]
"""Route, migration ("" where there is none), what answered (`legacy`, `stale`, `static`), and why."""


class Cell:
    """The requests of one label set: how many, their latencies, and bytes sent to clients."""

    __slots__ = ("buckets", "bytes_out", "count", "seconds")

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0
        self.bytes_out = 0
        self.buckets = [0] * (len(BUCKETS) + 1)


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
class Report:
    """What one worker counted since its last report, and what it has open now.

    `redis` is why the Redis of rate limits does not answer, "" where it does,
    None where none is counted in.
    """

    requests: dict[Labels, tuple[int, float, int, list[int]]] = field(default_factory=dict)
    events: dict[tuple[str, str], int] = field(default_factory=dict)
    tunnel_bytes: dict[str, int] = field(default_factory=dict)
    fallbacks: dict[FallbackLabels, int] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    upstreams: dict[str, UpstreamState] = field(default_factory=dict)
    client_connections: int = 0
    tunnels: int = 0
    upstream_connections: dict[str, tuple[int, int]] = field(default_factory=dict)
    redis: str | None = None


class Counters:
    """A worker's figures since the last report; `tunnel_bytes` by who sent them, the client or the upstream."""

    __slots__ = ("_cells", "_events", "_fallbacks", "_notices", "tunnel_bytes")

    def __init__(self) -> None:
        self._cells: dict[Labels, Cell] = {}
        self._events: dict[tuple[str, str], int] = {}
        self.tunnel_bytes = {"client": 0, "upstream": 0}
        self._fallbacks: dict[FallbackLabels, int] = {}
        self._notices: list[Notice] = []

    def request(self, labels: Labels, seconds: float, bytes_out: int) -> None:
        """Count one finished exchange."""
        cell = self._cells.get(labels)
        if cell is None:
            cell = self._cells[labels] = Cell()
        cell.count += 1
        cell.seconds += seconds
        cell.bytes_out += bytes_out
        cell.buckets[bisect_left(BUCKETS, seconds)] += 1

    def event(self, name: str, label: str = "", times: int = 1) -> None:
        """Count something that happened beside a request, such as a retry."""
        key = (name, label)
        known = self._events.get(key)
        if known is None:
            # Labels may hold what an upstream or a client has sent.
            key = (name, label[:LONGEST_LABEL] if len(self._events) < MOST_EVENTS else MANY)
            known = self._events.get(key, 0)
        self._events[key] = known + times

    def fallback(self, labels: FallbackLabels) -> None:
        """Count a request that somebody else than its upstream answered."""
        self._fallbacks[labels] = self._fallbacks.get(labels, 0) + 1

    def notice(self, notice: Notice) -> None:
        """Have the control process log something; of very many in one interval the first are kept."""
        if len(self._notices) < MOST_NOTICES:
            self._notices.append(notice)

    def take(self) -> Report:
        """What was counted since the last call; counting starts anew."""
        report = Report(
            {labels: (cell.count, cell.seconds, cell.bytes_out, cell.buckets) for labels, cell in self._cells.items()},
            self._events,
            self.tunnel_bytes,
            self._fallbacks,
            self._notices,
        )
        self.tunnel_bytes = {"client": 0, "upstream": 0}
        self._cells = {}
        self._events = {}
        self._fallbacks = {}
        self._notices = []
        return report
