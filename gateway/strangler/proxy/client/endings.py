"""How a connection ends without losing its last response, and how a cut response is counted.

Facts (RFC 9112 section 9.6): closing with unread input makes the kernel send a
reset, which may destroy a response that the client has not read yet. So the
input is read and discarded for a while first, within bounds.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from strangler.proxy.exchange.completion import broken_off
from strangler.proxy.exchange.exchange import Exchange
from strangler.proxy.exchange.under_way import RequestUnderWay
from strangler.proxy.http.broken import Delivery

LINGER_SECONDS: Final = 2.0
"""How long a connection waits for more input to discard."""
LONGEST_LINGER: Final = 30.0
# Not Final, which a compiled module binds early: tests set lower ones.
DISCARDED_BODY = 33_554_432
"""Maximum seconds and bytes of discarding behind a response."""
DISCARDED_REST = 262_144
"""Maximum bytes of discarding behind input that never became a request, within `LINGER_SECONDS`."""


class Discarding:
    """Bounds on the input that is discarded, in bytes and in time."""

    __slots__ = ("_left", "_until")

    def __init__(self, now: float, longest: float, most: int) -> None:
        self._left = most
        self._until = now + longest

    @staticmethod
    def behind_response(now: float) -> Discarding:
        """For the rest of a request whose response is complete: many clients send all of a body before they read."""
        return Discarding(now, LONGEST_LINGER, DISCARDED_BODY)

    @staticmethod
    def behind_refusal(now: float) -> Discarding:
        """For what follows input that never became a request."""
        return Discarding(now, LINGER_SECONDS, DISCARDED_REST)

    def take(self, count: int) -> bool:
        """Discard `count` bytes; False once the maximum is exceeded."""
        self._left -= count
        return self._left >= 0

    def deadline(self, now: float) -> float:
        """Until when to wait for more."""
        return min(now + LINGER_SECONDS, self._until)

    def narrow(self, now: float) -> None:
        """Allow only what is discarded behind input that never became a request."""
        self._left = min(self._left, DISCARDED_REST)
        self._until = min(self._until, now + LINGER_SECONDS)


class BrokenResponse:
    """A response that was broken off, recorded once the connection is gone and the bytes that arrived are known.

    `framed` tells that its framing shows the client that a part is missing; where the end of the connection ends the
    body, only a reset does (RFC 9112 section 8).
    """

    __slots__ = ("_delivery", "_exchange", "_framed")

    def __init__(self, exchange: RequestUnderWay, delivery: Delivery, *, framed: bool) -> None:
        self._exchange = exchange
        self._delivery = delivery
        self._framed = framed

    def record(self, error: Exception | None) -> None:
        """The connection is gone, with `error` if it was lost by one."""
        broken_off(self._exchange, self._delivery.lost(closed=self._framed and error is None))


def abandon(waiting: deque[Exchange]) -> None:
    """Drop requests that wait and were never started."""
    for exchange in waiting:
        exchange.done = True
    waiting.clear()
