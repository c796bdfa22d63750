"""What all workers have counted since the control process started."""

from __future__ import annotations

from http import HTTPStatus

from strangler.control.status.expected_series import (
    TotalLabels,
    event_labels,
    fallback_labels,
    migrations_of_routes,
    request_labels,
)
from strangler.model.snapshot import Snapshot
from strangler.observe.counters import BUCKETS, MANY, MOST_EVENTS
from strangler.observe.worker_report import FallbackLabels, RequestFigures, WorkerReport

_STATUSES = {int(status): str(int(status)) for status in HTTPStatus} | {499: "499"}


def status_label(status: int) -> str:
    """The status where it is a registered one (or 499, ours), else its class, such as `5xx`."""
    return _STATUSES.get(status) or f"{status // 100}xx"


_NO_REQUESTS = RequestFigures(0, 0.0, 0, [0] * (len(BUCKETS) + 1))


class WorkerTotals:
    """The sums of the workers' reports, and 0 for everything that is expected (`expect`).

    `migrations` has the migration of each route that belongs to one, also of routes that are no longer configured.
    """

    def __init__(self) -> None:
        self.requests: dict[TotalLabels, RequestFigures] = {}
        self.events: dict[tuple[str, str], int] = {}
        self.tunnel_bytes = {"client": 0, "upstream": 0}
        self.fallbacks: dict[FallbackLabels, int] = {}
        self.migrations: dict[str, str] = {}
        self._expected_events: set[tuple[str, str]] = set()

    def expect(self, snapshot: Snapshot) -> None:
        """Show 0 for what `snapshot` can lead to and has not happened yet."""
        self.migrations.update(migrations_of_routes(snapshot))
        for labels in request_labels(snapshot):
            self.requests.setdefault(labels, _NO_REQUESTS)
        for event in event_labels(snapshot):
            self._expected_events.add(event)
            self.events.setdefault(event, 0)
        for fallback in fallback_labels(snapshot):
            self.fallbacks.setdefault(fallback, 0)

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
            if key not in self.events and len(self.events) - len(self._expected_events) >= MOST_EVENTS:
                key = (name, MANY)
            self.events[key] = self.events.get(key, 0) + times
        for fallback, times in report.fallbacks.items():
            self.fallbacks[fallback] = self.fallbacks.get(fallback, 0) + times

    def fallbacks_of(self, migration: str) -> dict[str, int]:
        """How many requests of `migration` fell back from the extracted to the legacy side, by cause."""
        counts: dict[str, int] = {}
        for (_, of, answered_by, cause), times in self.fallbacks.items():
            if times and of == migration and answered_by == "legacy":
                counts[cause] = counts.get(cause, 0) + times
        return counts
