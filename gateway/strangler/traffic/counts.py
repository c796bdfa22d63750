"""What was counted and is not stored yet, in memory, within bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from strangler.observe.route_callers import RouteCallersReport, RouteLabels
from strangler.observe.sketch import Sketch
from strangler.traffic.periods import HOUR

MOST_REQUESTS = 50_000
"""Counts of an hour that wait for a store that can't be written; the oldest are dropped first."""
MOST_SKETCHES = 10_000
"""Sketches of a day, a KiB each; the oldest are dropped first."""


class HourOf(NamedTuple):
    """An hour since 1970, and whose requests are counted."""

    hour: int
    labels: RouteLabels


class DayOf(NamedTuple):
    """A day since 1970, and whose callers are counted."""

    day: int
    labels: RouteLabels


@dataclass(slots=True)
class TrafficCounts:
    """Requests and callers that are not stored yet. `dropped` is how many counts were never stored."""

    requests: dict[HourOf, int] = field(default_factory=dict)
    callers: dict[DayOf, Sketch] = field(default_factory=dict)
    dropped: int = 0

    def __bool__(self) -> bool:
        return bool(self.requests or self.callers)

    def add_requests(self, requests: Mapping[RouteLabels, int], now: float) -> None:
        """Add requests of the present hour."""
        hour = int(now) // HOUR
        for labels, count in requests.items():
            key = HourOf(hour, labels)
            self.requests[key] = self.requests.get(key, 0) + count
        self._bound()

    def add_callers(self, report: RouteCallersReport) -> None:
        """Add one worker's callers."""
        for labels, registers in report.sketches.items():
            self.callers.setdefault(DayOf(report.day, labels), Sketch()).merge(registers)
        self._bound()

    def merge(self, other: TrafficCounts) -> None:
        """Add what another one holds, which could not be stored."""
        for key, count in other.requests.items():
            self.requests[key] = self.requests.get(key, 0) + count
        for day, sketch in other.callers.items():
            self.callers.setdefault(day, Sketch()).merge(sketch.registers)
        self.dropped += other.dropped
        self._bound()

    def _bound(self) -> None:
        while len(self.requests) > MOST_REQUESTS:
            del self.requests[min(self.requests)]
            self.dropped += 1
        while len(self.callers) > MOST_SKETCHES:
            del self.callers[min(self.callers)]
            self.dropped += 1
