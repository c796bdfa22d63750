"""When a request may be sent again, and when.

Facts: repeating an idempotent request has the effect of sending it once (RFC
9110 section 9.2.2); a request of which no byte was sent had no effect; anything
else may have had one and is never repeated, unless the answer itself says that
nothing was done and the route says so of its methods. Waits are drawn between
nothing and a bound that doubles ("full jitter", Brooker 2015), so that clients
of a failed upstream don't come back in step.
"""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Literal

from strangler.model.methods import IDEMPOTENT

if TYPE_CHECKING:
    from strangler.model.resilience import Retries

LONGEST_WAIT = 5.0

Cause = Literal["breaker", "busy", "connect", "lost", "malformed", "status", "timeout"]
"""Why an attempt gave no answer: the breaker is open; too many requests are under way; no connection;
the connection ended; the response can't be understood; its status; a deadline."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An attempt that gave no usable answer.

    `sent` tells whether a byte of the request left, so whether it may have had
    an effect. `status` and `detail` are what the client is told in the end.
    `retry_after` is what the answer asked for, in seconds.
    """

    cause: Cause
    status: int
    detail: str
    sent: bool
    retry_after: float | None = None


def may_retry(failure: Failure, method: str, settings: Retries) -> bool:
    """Whether the request may be sent again after `failure`, as far as its effect goes."""
    if failure.cause in ("breaker", "busy"):
        return False
    if not failure.sent:
        return True
    if failure.cause == "status":
        return failure.status in settings.statuses and method in settings.methods
    if failure.cause == "timeout" and not settings.timeouts:
        return False
    return method in IDEMPOTENT and method in settings.methods


def backoff(retry: int, settings: Retries, drawn: float) -> float:
    """Seconds before retry number `retry` (from 1 on); `drawn` is a random number from 0 to 1."""
    bound: float = settings.backoff * 2.0 ** (retry - 1)
    return drawn * min(settings.longest_backoff, bound)


def seconds_of(retry_after: bytes, now: float) -> float | None:
    """What a Retry-After field asks for (RFC 9110 section 10.2.3): seconds or a date; None if neither.

    `now` is the time of day as seconds since 1970.
    """
    text = retry_after.decode("latin-1").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, OverflowError):
        return None
