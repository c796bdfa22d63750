"""A token bucket by the generic cell rate algorithm (ITU-T I.371, annex A): one number says all of a bucket.

That number is the theoretical arrival time, at which the bucket will be full
again. Each request moves it by the interval in which one token grows; a request
is let in while that leaves it no further ahead of now than the whole bucket
takes to fill. So at most `burst` requests pass at once, and in the long run one
an interval.

Times are whole nanoseconds of one clock. Whole numbers, and intervals rounded
up, because sums of fractions would drift apart on two machines.
"""

from __future__ import annotations

from typing import NamedTuple

SECOND = 1_000_000_000


class Rate(NamedTuple):
    """A token each `interval` nanoseconds, `burst` tokens at the most."""

    interval: int
    burst: int


def rate_of(requests: int, per: float, burst: int) -> Rate:
    """`requests` within `per` seconds, `burst` of them at once."""
    return Rate(max(1, -(-round(per * SECOND) // requests)), burst)


class Verdict(NamedTuple):
    """Whether a request is let in, and what is left of the bucket.

    `arrival` is the bucket's new number. `remaining` requests may follow at
    once; the bucket is full again after `reset` nanoseconds, and a request that
    was refused is let in after `wait` nanoseconds.
    """

    allowed: bool
    arrival: int
    remaining: int
    reset: int
    wait: int


def take(arrival: int, now: int, rate: Rate) -> Verdict:
    """Take a token of the bucket whose number is `arrival`, 0 for one that is new."""
    interval, burst = rate
    full = max(arrival, now)
    room = now + interval * burst - full - interval
    if room < 0:
        return Verdict(False, arrival, 0, full - now, -room)
    return Verdict(True, full + interval, room // interval, full + interval - now, 0)


def give_back(arrival: int, rate: Rate) -> int:
    """The bucket's number after a token was put back."""
    return max(0, arrival - rate.interval)
