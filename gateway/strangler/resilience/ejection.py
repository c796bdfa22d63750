"""Passive ejection: an endpoint that fails real requests receives none for a while.

An endpoint is ejected after several consecutive failures, or when too large a
share of the requests in a window failed. Each repeated ejection lasts one
ejection time longer, up to a maximum; quiet time reduces the count of repeats
one by one. Only a limited share of the endpoints is ejected at once, because a
failure common to all endpoints is not the fault of one, and the remaining
endpoints have to carry the load.

Only the endpoint's own behaviour counts: a response to a faulty request is a
success, and a client that disconnects is not evidence either way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from strangler.resilience.window import SlidingWindow

if TYPE_CHECKING:
    from strangler.model.resilience import Ejection


class EndpointRecord:
    """One worker's observations of one endpoint."""

    __slots__ = ("ejected", "in_a_row", "recent", "repeats", "until")

    def __init__(self, settings: Ejection | None) -> None:
        self.in_a_row = 0
        self.ejected = False
        self.repeats = 0
        self.until = 0.0
        share = settings is not None and settings.error_percent is not None
        self.recent = SlidingWindow(settings.window) if settings is not None and share else None


class Ejections:
    """The ejections of one upstream's endpoints, in one worker."""

    __slots__ = ("_ejected", "_records", "_settings")

    def __init__(self, settings: Ejection, records: list[EndpointRecord]) -> None:
        self._settings = settings
        self._records = records
        self._ejected = sum(record.ejected for record in records)

    def succeeded(self, record: EndpointRecord, now: float) -> None:
        """Record that the endpoint responded."""
        record.in_a_row = 0
        if record.recent is not None:
            record.recent.add(now)

    def failed(self, record: EndpointRecord, now: float) -> bool:
        """Record that the endpoint failed a request; return whether that ejects it."""
        record.in_a_row += 1
        if record.recent is not None:
            record.recent.add(now, failed=True)
        if record.ejected or not self._is_bad(record):
            return False
        settings = self._settings
        if (self._ejected + 1) * 100 > settings.largest_percent * len(self._records):
            return False
        quiet = int((now - record.until) / settings.time) if record.repeats else 0
        record.repeats = max(0, record.repeats - quiet) + 1
        record.ejected = True
        record.until = now + min(settings.time * record.repeats, settings.longest_time)
        self._ejected += 1
        return True

    def _is_bad(self, record: EndpointRecord) -> bool:
        settings = self._settings
        if record.in_a_row >= settings.consecutive_failures:
            return True
        recent = record.recent
        if recent is None or settings.error_percent is None or recent.total < settings.minimum_requests:
            return False
        return recent.failed * 100 >= settings.error_percent * recent.total

    def take_back(self, now: float) -> list[EndpointRecord]:
        """Readmit the endpoints whose ejection time has passed."""
        if not self._ejected:
            return []
        back = [record for record in self._records if record.ejected and record.until <= now]
        for record in back:
            record.ejected = False
            record.in_a_row = 0
            if record.recent is not None:
                record.recent.clear()
        self._ejected -= len(back)
        return back
