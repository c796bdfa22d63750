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

Labels = tuple[str, str, str, int]
"""Route, side, upstream, status; empty text where there is none."""


class Cell:
    """The requests of one label set: how many, their latencies, and bytes sent to clients."""

    __slots__ = ("buckets", "bytes_out", "count", "seconds")

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0
        self.bytes_out = 0
        self.buckets = [0] * (len(BUCKETS) + 1)


@dataclass(slots=True)
class Report:
    """What one worker counted since its last report, and what it has open now."""

    requests: dict[Labels, tuple[int, float, int, list[int]]] = field(default_factory=dict)
    events: dict[tuple[str, str], int] = field(default_factory=dict)
    tunnel_bytes: dict[str, int] = field(default_factory=dict)
    client_connections: int = 0
    tunnels: int = 0
    upstream_connections: dict[str, tuple[int, int]] = field(default_factory=dict)


class Counters:
    """A worker's figures since the last report; `tunnel_bytes` by who sent them, the client or the upstream."""

    __slots__ = ("_cells", "_events", "tunnel_bytes")

    def __init__(self) -> None:
        self._cells: dict[Labels, Cell] = {}
        self._events: dict[tuple[str, str], int] = {}
        self.tunnel_bytes = {"client": 0, "upstream": 0}

    def request(self, labels: Labels, seconds: float, bytes_out: int) -> None:
        """Count one finished exchange."""
        cell = self._cells.get(labels)
        if cell is None:
            cell = self._cells[labels] = Cell()
        cell.count += 1
        cell.seconds += seconds
        cell.bytes_out += bytes_out
        cell.buckets[bisect_left(BUCKETS, seconds)] += 1

    def event(self, name: str, label: str = "") -> None:
        """Count something that happened beside a request, such as a retry."""
        key = (name, label)
        self._events[key] = self._events.get(key, 0) + 1

    def take(self) -> Report:
        """What was counted since the last call; counting starts anew."""
        report = Report(
            {labels: (cell.count, cell.seconds, cell.bytes_out, cell.buckets) for labels, cell in self._cells.items()},
            self._events,
            self.tunnel_bytes,
        )
        self.tunnel_bytes = {"client": 0, "upstream": 0}
        self._cells = {}
        self._events = {}
        return report
