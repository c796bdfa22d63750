"""A token bucket by the generic cell rate algorithm (ITU-T I.371, annex A): its whole state is one number.

That number is the theoretical arrival time, at which the bucket will be full
again. Each request advances it by the interval in which one token is added; a
request is admitted if the new value is no further in the future than an empty
bucket takes to fill. So at most `burst` requests pass at once, and one per
interval in the long run.

Times are integer nanoseconds of one clock, and intervals are rounded up,
because sums of fractions would drift apart on two machines.
"""

from __future__ import annotations

from typing import NamedTuple

SECOND = 1_000_000_000


class Rate(NamedTuple):
    """One token every `interval` nanoseconds, `burst` tokens at most."""

    interval: int
    burst: int


def rate_of(requests: int, per: float, burst: int) -> Rate:
    """Allow `requests` per `per` seconds, up to `burst` of them at once."""
    return Rate(max(1, -(-round(per * SECOND) // requests)), burst)


class Verdict(NamedTuple):
    """Whether a request is admitted, and the state of the bucket after it.

    `arrival` is the bucket's new number. `remaining` requests may follow at
    once; the bucket is full again after `reset` nanoseconds, and a refused
    request would be admitted after `wait` nanoseconds.
    """

    allowed: bool
    arrival: int
    remaining: int
    reset: int
    wait: int


def take(arrival: int, now: int, rate: Rate) -> Verdict:
    """Take a token from the bucket whose number is `arrival`; a new bucket has 0."""
    interval, burst = rate
    full = max(arrival, now)
    room = now + interval * burst - full - interval
    if room < 0:
        return Verdict(False, arrival, 0, full - now, -room)
    return Verdict(True, full + interval, room // interval, full + interval - now, 0)


def give_back(arrival: int, rate: Rate) -> int:
    """Return the bucket's number after one token is put back."""
    return max(0, arrival - rate.interval)
