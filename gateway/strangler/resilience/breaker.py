"""A circuit breaker: where too many requests fail or are slow, the next ones are refused at once.

Facts: closed lets everything through and counts; when, among enough requests
of a sliding window, the failed or the slow ones reach their limit it opens and
refuses all; after a while it is half-open and lets a few probes through. If
they all do well it closes, the first that does not opens it again. (Nygard,
"Release It!", 2007.)

An answer with a status from 500 on is a failure, as is none. A client error and
a client that hung up are not.

Requests are counted as they begin, failures as they end: so while all goes
well, a request costs the addition of one.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from math import ceil
from typing import TYPE_CHECKING

from strangler.resilience.window import SlidingWindow

if TYPE_CHECKING:
    from strangler.model.resilience import BreakerSettings


class State(StrEnum):
    """Where a breaker stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """The breaker of one upstream or of one side of a migration, in one worker.

    `on_change` is told of each new state. `opened` is how often it has opened,
    `probing` how many probes are under way, `begun` how many requests it has
    let through while it was closed; whoever does not `enter` then adds to it.
    A request that may go gets a ticket, the number of the period that it began
    in. What began in an earlier period says nothing about this one.
    """

    __slots__ = (
        "_counted",
        "_good",
        "_on_change",
        "_period",
        "_recent",
        "_until",
        "begun",
        "opened",
        "probing",
        "settings",
        "state",
    )

    def __init__(self, settings: BreakerSettings, on_change: Callable[[State], None]) -> None:
        self.settings = settings
        self.state = State.CLOSED
        self.opened = 0
        self.probing = 0
        self.begun = 0
        self._counted = 0
        self._on_change = on_change
        self._recent = SlidingWindow(settings.window)
        self._until = 0.0
        self._good = 0
        self._period = 1

    def __repr__(self) -> str:
        probing = f" probing={self.probing}" if self.probing else ""
        return f"<Breaker {self.state} begun={self.begun} opened={self.opened}{probing}>"

    @property
    def needs_every_end(self) -> bool:
        """Whether requests have to `enter` and tell how they ended, also those that end well."""
        return self.state is not State.CLOSED or self.settings.slow is not None

    def late_ticket(self) -> int:
        """The ticket of a request that went without, and of which there is something to tell now; 0 for none."""
        return self._period if self.state is State.CLOSED else 0

    def tick(self, now: float) -> None:
        """Count what has begun; asked for often enough that the window's slices tell one time from another."""
        if self.begun != self._counted:
            self._recent.add(now, self.begun - self._counted)
            self._counted = self.begun

    def enter(self, now: float) -> int:
        """A ticket for a request that may go, 0 for one that may not.

        One that goes must end with `answered`, `failed` or `abandoned`.
        """
        if self.state is State.CLOSED:
            self.begun += 1
            return self._period
        if self.state is State.OPEN:
            if now < self._until:
                return 0
            self._change(State.HALF_OPEN)
            self.probing = self._good = 0
        if self.probing + self._good >= self.settings.probes:
            return 0
        self.probing += 1
        return self._period

    def answered(self, ticket: int, now: float, seconds: float, status: int) -> None:
        """A response with `status` began `seconds` after its request was sent."""
        limit = self.settings.slow
        self._note(ticket, now, status >= 500, limit is not None and seconds >= limit)

    def failed(self, ticket: int, now: float) -> None:
        """No usable response came."""
        self._note(ticket, now, True, False)

    def abandoned(self, ticket: int) -> None:
        """The request ended without saying anything about the other end: its client hung up."""
        if ticket == self._period and self.state is State.HALF_OPEN:
            self.probing -= 1

    def retry_after(self, now: float) -> int:
        """Whole seconds after which a request may succeed, at least 1."""
        return max(1, ceil(self._until - now)) if self.state is State.OPEN else 1

    def _note(self, ticket: int, now: float, failed: bool, slow: bool) -> None:
        if ticket != self._period:
            return
        if self.state is State.CLOSED:
            if failed or slow:
                self.tick(now)
                self._recent.add(now, 0, failed=failed, slow=slow)
                if self._is_bad():
                    self._open(now)
            return
        self.probing -= 1
        if failed or slow:
            self._open(now)
            return
        self._good += 1
        if self._good >= self.settings.probes:
            self._change(State.CLOSED)
            self._recent.clear()
            self._counted = self.begun

    def _is_bad(self) -> bool:
        recent, settings = self._recent, self.settings
        if recent.total < settings.minimum_requests:
            return False
        if recent.failed * 100 >= settings.error_percent * recent.total:
            return True
        return settings.slow is not None and recent.slow * 100 >= settings.slow_percent * recent.total

    def _open(self, now: float) -> None:
        self._change(State.OPEN)
        self.opened += 1
        self._until = now + self.settings.open_time

    def _change(self, state: State) -> None:
        self.state = state
        self._period += 1
        self._on_change(state)
