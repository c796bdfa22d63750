"""A concurrency limit: so many requests at an upstream at once, a few more wait a moment, the rest is refused.

An upstream that gets more than it can work on answers everybody late; one that
gets what it can, and the rest refused at once, answers most in time (Little's
law: what waits grows with what is let in).
"""

from __future__ import annotations

import contextlib
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from strangler.model.resilience import Concurrency as Settings

T = TypeVar("T")


class ConcurrencyLimit(Generic[T]):
    """The requests of one worker at one upstream: under way, and waiting in order of arrival."""

    __slots__ = ("_waiting", "running", "settings")

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.running = 0
        self._waiting: deque[T] = deque()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def enter(self) -> bool:
        """Whether one more may go now; one that goes must `leave`."""
        if self.running >= self.settings.limit:
            return False
        self.running += 1
        return True

    def wait(self, waiter: T) -> bool:
        """Have `waiter` wait for its turn; False where too many wait already."""
        if len(self._waiting) >= self.settings.queue:
            return False
        self._waiting.append(waiter)
        return True

    def leave(self) -> T | None:
        """One has ended; the one that waits longest goes instead of it and is returned."""
        if self._waiting and self.running <= self.settings.limit:
            return self._waiting.popleft()
        self.running -= 1
        return None

    def forget(self, waiter: T) -> None:
        """`waiter` waits no more, if it did."""
        with contextlib.suppress(ValueError):
            self._waiting.remove(waiter)
