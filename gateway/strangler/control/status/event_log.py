"""How the event log does: its reader may be slow, its disk full."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, Metric

from strangler.observe.background_stream import BackgroundStream

LATE = 5.0
"""Seconds without progress after which the event log counts as blocked."""


def event_log_problem() -> str | None:
    """Why events are not written, or None where they are."""
    stream = sys.stderr
    if not isinstance(stream, BackgroundStream) or (blocked := stream.blocked_for()) < LATE:
        return None
    return f"standard error has been blocked for {blocked:.0f} s; {stream.dropped} lines were dropped"


def event_log_families() -> Iterator[Metric]:
    """How many lines could not be written."""
    if isinstance(sys.stderr, BackgroundStream):
        yield CounterMetricFamily(
            "strangler_event_log_dropped_lines",
            "Lines of the event log that could not be written.",
            sys.stderr.dropped,
        )
