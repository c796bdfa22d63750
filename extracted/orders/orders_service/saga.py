"""The saga of an order: which step each state stands for, and where it leads. Pure.

    reserving ─────▶ awaiting_payment ─────▶ charging ─────▶ confirming ─────▶ completed
        │ no stock           │ deadline         │ declined        │ stock gone
        ▼                    ▼                  ▼                 ▼
    cancelled ◀────────── releasing ◀────────────────────── refunding
                             ▲                                    ▲
                             └── reserving: no response           └── charging: no outcome by its deadline

Every step is a request to another service under the saga's id, which the receiver takes once however often it comes.
So a step whose outcome is unknown, be it for a lost response or a crash, is simply repeated. `charging` is the pivot:
what comes before it can be undone; `confirming`, and the steps that undo, are repeated until they are done.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

RESERVING = "reserving"
AWAITING_PAYMENT = "awaiting_payment"
CHARGING = "charging"
CONFIRMING = "confirming"
COMPLETED = "completed"
REFUNDING = "refunding"
RELEASING = "releasing"
CANCELLED = "cancelled"

FINAL = (COMPLETED, CANCELLED)
WAITING = (AWAITING_PAYMENT, *FINAL)
"""States in which the saga has nothing to do by itself."""

LONGEST_WAIT = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Saga:
    id: str
    state: str
    attempts: int
    deadline: datetime | None
    """When the step is given up; if it is one that can't be, when it is overdue."""
    last_error: str | None
    changed_at: datetime

    def is_late(self, now: datetime) -> bool:
        return self.deadline is not None and self.state not in FINAL and now >= self.deadline


@dataclass(frozen=True, slots=True)
class Done:
    """The receiver has done the step, now or before."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The receiver will never do the step. `fields` is what its refusal names."""

    reason: str
    fields: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unknown:
    """No outcome yet; the step is to be repeated."""

    error: str


Outcome = Done | Refused | Unknown


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long each step may take."""

    reserve: timedelta
    payment: timedelta
    """For the customer to pay."""
    charge: timedelta
    overdue: timedelta
    """For the steps that are repeated until they are done: after this long they are reported."""

    def of(self, state: str) -> timedelta | None:
        return {
            RESERVING: self.reserve,
            AWAITING_PAYMENT: self.payment,
            CHARGING: self.charge,
            CONFIRMING: self.overdue,
            REFUNDING: self.overdue,
            RELEASING: self.overdue,
        }.get(state)


AFTER_DONE = {
    RESERVING: AWAITING_PAYMENT,
    CHARGING: CONFIRMING,
    CONFIRMING: COMPLETED,
    REFUNDING: RELEASING,
    RELEASING: CANCELLED,
}
AFTER_REFUSED = {
    RESERVING: CANCELLED,  # nothing was taken
    CHARGING: RELEASING,
    CONFIRMING: REFUNDING,
}
AFTER_DEADLINE = {
    RESERVING: RELEASING,  # maybe something was taken
    AWAITING_PAYMENT: RELEASING,
    CHARGING: REFUNDING,  # maybe the money was
}


def wait_before(attempts: int) -> timedelta:
    """How long to wait after that many attempts without an outcome."""
    return min(LONGEST_WAIT, timedelta(seconds=0.25 * 2 ** min(attempts, 10)))
