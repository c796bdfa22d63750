"""How long to wait before a worker that ended is started again.

A worker that lived for a while is restarted at once. Workers that end soon
after their start wait twice as long each time, so that a crash loop neither
uses up the processor nor fills the log.
"""

from __future__ import annotations

from dataclasses import dataclass

STABLE_AFTER = 10.0
FIRST_WAIT = 0.1
LONGEST_WAIT = 30.0
_DOUBLINGS = 16


@dataclass(slots=True)
class CrashLoop:
    """The ends of the workers in one place: how many ended early in a row, and why the last one did."""

    in_a_row: int = 0
    reason: str | None = None

    def ended(self, lived: float, reason: str) -> float:
        """A worker ended after `lived` seconds. Returns the seconds to wait before the next one starts."""
        self.reason = reason
        if lived >= STABLE_AFTER:
            self.in_a_row = 0
            return 0.0
        self.in_a_row += 1
        return min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(self.in_a_row - 1, _DOUBLINGS))
