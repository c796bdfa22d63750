"""When a worker that ended is started again, and what is said of it meanwhile.

One that lived for a while is started again at once. Of those that end soon
after their start each waits twice as long as the one before, so that a crash
loop neither eats the machine nor fills the log.
"""

from __future__ import annotations

from dataclasses import dataclass

STABLE_AFTER = 10.0
FIRST_WAIT = 0.1
LONGEST_WAIT = 30.0
_DOUBLINGS = 16


@dataclass(slots=True)
class CrashLoop:
    """The ends of the workers of one place: how many came early in a row, and why the last one ended."""

    in_a_row: int = 0
    reason: str | None = None

    def ended(self, lived: float, reason: str) -> float:
        """Take in that a worker ended after `lived` seconds; the seconds to wait before the next one starts."""
        self.reason = reason
        if lived >= STABLE_AFTER:
            self.in_a_row = 0
            return 0.0
        self.in_a_row += 1
        return min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(self.in_a_row - 1, _DOUBLINGS))
