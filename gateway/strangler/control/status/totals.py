"""What all workers have counted since the control process started."""

from __future__ import annotations

from http import HTTPStatus

from strangler.observe.counters import MANY, MOST_EVENTS
from strangler.observe.worker_report import FallbackLabels, RequestFigures, WorkerReport

_STATUSES = {int(status): str(int(status)) for status in HTTPStatus} | {499: "499"}

TotalLabels = tuple[str, str, str, str]
"""Route, side, upstream, and the status's label."""


def status_label(status: int) -> str:
    """The status where it is a registered one (or 499, ours), else its class, such as `5xx`."""
    return _STATUSES.get(status) or f"{status // 100}xx"


class WorkerTotals:
    """The sums of the workers' reports."""

    def __init__(self) -> None:
        self.requests: dict[TotalLabels, RequestFigures] = {}
        self.events: dict[tuple[str, str], int] = {}
        self.tunnel_bytes = {"client": 0, "upstream": 0}
        self.fallbacks: dict[FallbackLabels, int] = {}

    def add(self, report: WorkerReport) -> None:
        """Add one worker's report."""
        for (route, side, upstream, status), figures in report.requests.items():
            labels = (route, side, upstream, status_label(status))
            known = self.requests.get(labels)
            self.requests[labels] = figures if known is None else known.plus(figures)
        for sender, size in report.tunnel_bytes.items():
            self.tunnel_bytes[sender] += size
        for key, times in report.events.items():
            name, _ = key
            if key not in self.events and len(self.events) >= MOST_EVENTS:
                key = (name, MANY)
            self.events[key] = self.events.get(key, 0) + times
        for fallback, times in report.fallbacks.items():
            self.fallbacks[fallback] = self.fallbacks.get(fallback, 0) + times

    def fallbacks_of(self, migration: str) -> dict[str, int]:
        """How many requests of `migration` fell back from the extracted to the legacy side, by cause."""
        counts: dict[str, int] = {}
        for (_, of, answered_by, cause), times in self.fallbacks.items():
            if of == migration and answered_by == "legacy":
                counts[cause] = counts.get(cause, 0) + times
        return counts
