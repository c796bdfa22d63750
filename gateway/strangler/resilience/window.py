"""A sliding window of outcomes: how many attempts of the last seconds failed or were slow.

The window moves in slices of a tenth, so its figures may include attempts up to
a tenth older than the window. Its memory does not depend on the number of attempts.
"""

from __future__ import annotations

SLICES = 10


class SlidingWindow:
    """Counts over the last `seconds`; `now` must never go back."""

    __slots__ = ("_failed", "_newest", "_slice", "_slow", "_total", "failed", "slow", "total")

    def __init__(self, seconds: float) -> None:
        self.total = 0
        self.failed = 0
        self.slow = 0
        self._slice = seconds / SLICES
        self._newest = 0
        self._total = [0] * SLICES
        self._failed = [0] * SLICES
        self._slow = [0] * SLICES

    def add(self, now: float, attempts: int = 1, *, failed: bool = False, slow: bool = False) -> None:
        """Add `attempts` at `now`, and one to the failed or slow ones if `failed` or `slow` is set."""
        self.advance(now)
        place = self._newest % SLICES
        self.total += attempts
        self._total[place] += attempts
        if failed:
            self.failed += 1
            self._failed[place] += 1
        if slow:
            self.slow += 1
            self._slow[place] += 1

    def advance(self, now: float) -> None:
        """Drop the counts older than the window."""
        newest = int(now / self._slice)
        if newest == self._newest:
            return
        if newest - self._newest >= SLICES:
            self.clear()
        else:
            for number in range(self._newest + 1, newest + 1):
                place = number % SLICES
                self.total -= self._total[place]
                self.failed -= self._failed[place]
                self.slow -= self._slow[place]
                self._total[place] = self._failed[place] = self._slow[place] = 0
        self._newest = newest

    def clear(self) -> None:
        """Drop all counts."""
        self.total = self.failed = self.slow = 0
        self._total = [0] * SLICES
        self._failed = [0] * SLICES
        self._slow = [0] * SLICES
