"""A circuit breaker: if too many requests fail or are slow, further requests are refused at once.

Facts: a closed breaker lets all requests through and counts them. If a sliding
window has enough requests, and the failed or slow ones reach their limit, the
breaker opens and refuses all. After a while it is half-open and lets a few
probes through. If they all succeed it closes; the first that fails opens it
again. (Nygard, "Release It!", 2007.)

A response with a status of 500 or higher is a failure, as is no response. A
client error and a client that disconnected are not.

Requests are counted when they begin, failures when they end: so while nothing
fails, the cost of a request is one addition.
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
    """The state of a breaker."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """The breaker of one upstream or of one side of a migration, in one worker.

    `on_change` is called with each new state. `opened` is how often it has
    opened, `probing` the number of active probes, `begun` the number of requests
    let through while it was closed; a caller that does not `enter` then adds to
    it. An admitted request gets a ticket, the number of the period in which it
    began. Outcomes of requests from an earlier period are ignored.
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
        """Whether requests have to `enter` and report their outcome, even a success."""
        return self.state is not State.CLOSED or self.settings.slow is not None

    def late_ticket(self) -> int:
        """Return a ticket for a request that did not `enter` but has an outcome to report; 0 for none."""
        return self._period if self.state is State.CLOSED else 0

    def tick(self, now: float) -> None:
        """Move the requests begun so far into the window; call at least once per window slice."""
        if self.begun != self._counted:
            self._recent.add(now, self.begun - self._counted)
            self._counted = self.begun

    def enter(self, now: float) -> int:
        """Return a ticket if the request is admitted, 0 if it is refused.

        An admitted request must end with `answered`, `failed` or `abandoned`.
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
        """Record that a response with `status` began `seconds` after its request was sent."""
        limit = self.settings.slow
        self._note(ticket, now, status >= 500, limit is not None and seconds >= limit)

    def failed(self, ticket: int, now: float) -> None:
        """Record that no usable response arrived."""
        self._note(ticket, now, True, False)

    def abandoned(self, ticket: int) -> None:
        """Record that the request ended without evidence about the upstream: its client disconnected."""
        if ticket == self._period and self.state is State.HALF_OPEN:
            self.probing -= 1

    def retry_after(self, now: float) -> int:
        """Return the seconds after which a request may succeed, rounded up, at least 1."""
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
