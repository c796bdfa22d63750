"""A concurrency limit: a maximum of concurrent requests per upstream, a short queue, and refusal beyond it.

An overloaded upstream responds late to every client. If the excess is refused
at once, the upstream responds to most clients in time (Little's law: the queue
grows with the number of requests admitted).
"""

from __future__ import annotations

import contextlib
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from strangler.model.resilience import Concurrency as Settings

T = TypeVar("T")


class ConcurrencyLimit(Generic[T]):
    """The requests of one worker to one upstream: active ones, and waiting ones in order of arrival."""

    __slots__ = ("_waiting", "running", "settings")

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.running = 0
        self._waiting: deque[T] = deque()

    @property
    def waiting(self) -> int:
        """The number of waiting requests."""
        return len(self._waiting)

    def enter(self) -> bool:
        """Return whether one more request may proceed now; each admitted request must `leave`."""
        if self.running >= self.settings.limit:
            return False
        self.running += 1
        return True

    def wait(self, waiter: T) -> bool:
        """Add `waiter` to the queue; return False if the queue is full."""
        if len(self._waiting) >= self.settings.queue:
            return False
        self._waiting.append(waiter)
        return True

    def leave(self) -> T | None:
        """Record that a request has ended; return the longest-waiting request, which takes its place."""
        if self._waiting and self.running <= self.settings.limit:
            return self._waiting.popleft()
        self.running -= 1
        return None

    def forget(self, waiter: T) -> None:
        """Remove `waiter` from the queue, if it is queued."""
        with contextlib.suppress(ValueError):
            self._waiting.remove(waiter)
