"""When each worker starts, and how earlier ones in its place ended."""

from __future__ import annotations

import asyncio
import contextlib
from time import monotonic
from typing import Any

from strangler.control.workers.crash_loop import CrashLoop


class StartSchedule:
    """The places of `count` workers, by number."""

    def __init__(self, count: int) -> None:
        self._crash_loops = {number: CrashLoop() for number in range(count)}
        self._starts_at: dict[int, float] = {}

    def ended(self, number: int, lived: float, reason: str) -> float:
        """A worker ended after `lived` seconds, or could not be started: the seconds to wait before the next."""
        return self._crash_loops[number].ended(lived, reason)

    def ended_in_a_row(self, number: int) -> int:
        """How many workers in this place have ended soon after their start, without a stable one in between."""
        return self._crash_loops[number].in_a_row

    def last_end(self, number: int) -> str | None:
        """Why the last worker in this place ended, None where none has."""
        return self._crash_loops[number].reason

    async def wait(self, number: int, seconds: float, stopping: asyncio.Event) -> bool:
        """Wait for the start of a worker; false once `stopping`, and where another start has taken this one's place."""
        self._starts_at[number] = due = monotonic() + seconds
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), seconds)
        if stopping.is_set() or self._starts_at.get(number) != due:
            return False
        del self._starts_at[number]
        return True

    def cancel(self, number: int) -> None:
        """The worker need not start: another one serves in its place."""
        self._starts_at.pop(number, None)

    def as_json(self) -> list[dict[str, Any]]:
        """The workers that wait for their start."""
        now = monotonic()
        return [
            {
                "number": number,
                "ended_in_a_row": self.ended_in_a_row(number),
                "last_end": self.last_end(number),
                "starts_in_seconds": round(max(0.0, at - now), 1),
            }
            for number, at in self._starts_at.items()
        ]
