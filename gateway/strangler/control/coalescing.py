"""Work that is requested more often than it needs to run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


class Coalesced:
    """Runs `work` at most once at a time; requests that come while one is waiting are served by that one."""

    def __init__(self, work: Callable[[], Awaitable[None]]) -> None:
        self._work = work
        self._running = asyncio.Lock()
        self._waits = False

    async def run(self) -> None:
        """Run the work after the present run; return at once if another request already waits for that."""
        if self._waits:
            return
        self._waits = True
        async with self._running:
            self._waits = False
            await self._work()
