"""Whether a request may be sent again, and after what delay.

Facts: repeating an idempotent request has the effect of sending it once (RFC
9110 section 9.2.2); a request of which no byte was sent had no effect. Any other
request may have had an effect and is never repeated, unless the response states
that nothing was done and the route allows it for the method. Delays are drawn
between zero and a maximum that doubles ("full jitter", Brooker 2015), so that
the clients of a failed upstream don't return at the same moment.
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
"""Why an attempt gave no usable response: the breaker is open; too many active requests; no connection;
the connection ended; the response is malformed; its status; a deadline."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An attempt that gave no usable response.

    `sent` is whether a byte of the request was sent, so whether it may have had
    an effect. `status` and `detail` go into the client's error response if this
    failure is final. `retry_after` is the delay that the response asked for, in
    seconds.
    """

    cause: Cause
    status: int
    detail: str
    sent: bool
    retry_after: float | None = None


def may_retry(failure: Failure, method: str, settings: Retries) -> bool:
    """Return whether the request may be sent again after `failure` without a risk of a second effect."""
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
    """Return the seconds to wait before retry number `retry` (from 1); `drawn` is a random number from 0 to 1."""
    bound: float = settings.backoff * 2.0 ** (retry - 1)
    return drawn * min(settings.longest_backoff, bound)


def seconds_of(retry_after: bytes, now: float) -> float | None:
    """Return the delay of a Retry-After field in seconds (RFC 9110 section 10.2.3); None if it is malformed.

    `now` is the current time in seconds since 1970, for a field that is a date.
    """
    text = retry_after.decode("latin-1").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, OverflowError):
        return None
