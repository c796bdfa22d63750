"""What a worker counts: requests and latencies per route, side, upstream and status.

A worker adds to plain integers; every second it reports what was added since
the last report, and the control process keeps the totals. So a worker that dies
takes at most one interval of figures with it.
"""

from __future__ import annotations

from bisect import bisect_left

from strangler.observe.route_callers import RouteCallers
from strangler.observe.worker_report import FallbackLabels, Labels, Notice, RequestFigures, WorkerReport

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the latency histogram, in seconds; one more bucket holds what lies above."""

MOST_NOTICES = 100
"""Maximum notices in one report; later ones are dropped."""
MOST_EVENTS = 500
"""Maximum event counts with a label of their own; further labels are counted together, by event name."""
LONGEST_LABEL = 200
MANY = "others"
"""The label of events that are counted together."""


class _Cell:
    """The figures of one label set while they grow; `known` are the callers that are counted already."""

    __slots__ = ("buckets", "bytes_out", "count", "known", "seconds")

    def __init__(self, known: set[str]) -> None:
        self.known = known
        self.count = 0
        self.seconds = 0.0
        self.bytes_out = 0
        self.buckets = [0] * (len(BUCKETS) + 1)


class Counters:
    """A worker's figures since the last report; `tunnel_bytes` by who sent them, the client or the upstream."""

    __slots__ = ("_callers", "_cells", "_events", "_fallbacks", "_notices", "tunnel_bytes")

    def __init__(self) -> None:
        self._callers = RouteCallers()
        self._cells: dict[Labels, _Cell] = {}
        self._events: dict[tuple[str, str], int] = {}
        self.tunnel_bytes = {"client": 0, "upstream": 0}
        self._fallbacks: dict[FallbackLabels, int] = {}
        self._notices: list[Notice] = []

    def request(self, labels: Labels, seconds: float, bytes_out: int, caller: str) -> None:
        """Count one finished exchange of `caller`, "" where it is not known."""
        cell = self._cells.get(labels)
        if cell is None:
            cell = self._cells[labels] = _Cell(self._callers.known(*labels[:3]))
        if caller not in cell.known:
            self._callers.see(cell.known, labels[0], labels[1], labels[2], caller)
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
        """Count a request whose response came from a fallback instead of its upstream."""
        self._fallbacks[labels] = self._fallbacks.get(labels, 0) + 1

    def notice(self, notice: Notice) -> None:
        """Have the control process log `notice`; at most MOST_NOTICES in one report."""
        if len(self._notices) < MOST_NOTICES:
            self._notices.append(notice)

    def take(self) -> WorkerReport:
        """What was counted since the last call; counting restarts from zero."""
        report = WorkerReport(
            requests={
                labels: RequestFigures(cell.count, cell.seconds, cell.bytes_out, cell.buckets)
                for labels, cell in self._cells.items()
            },
            events=self._events,
            tunnel_bytes=self.tunnel_bytes,
            fallbacks=self._fallbacks,
            notices=self._notices,
            route_callers=self._callers.take(),
        )
        self.tunnel_bytes = {"client": 0, "upstream": 0}
        self._cells = {}
        self._events = {}
        self._fallbacks = {}
        self._notices = []
        return report
