"""Resetting a connection once the peer has everything that was written to it.

Facts (RFC 9112 section 8, RFC 9293 section 3.10.7): if a length or chunks frame
a body, its client detects a missing part when the connection just closes. If the
end of the connection ends the body, and in a tunnel, only a reset signals the
failure. A reset discards data that the peer's kernel has not acknowledged yet,
so it has to wait until everything is acknowledged; Linux then lets the peer read
the data that it has before it reports the reset.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from strangler.proxy.http.reset import reset
from strangler.proxy.http.socket_state import acknowledged, is_reset, unsent

STALLED = 60.0
"""Maximum seconds without progress towards the peer before the connection is reset anyway."""


class Delivery:
    """Measures how much of the data written to a connection so far arrives before it is lost."""

    __slots__ = ("_acknowledged", "_left", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._acknowledged = acknowledged(transport)
        self._left = unsent(transport)
        while (now := acknowledged(transport)) != self._acknowledged:
            # Bytes acknowledged between the two readings would count as left, and never as arrived.
            self._acknowledged, self._left = now, unsent(transport)

    def lost(self, *, closed: bool) -> int:
        """Return the number of bytes that did not arrive; `closed` means closed without a reset.

        The kernel continues to send the pending data of a closed connection.
        """
        now = acknowledged(self._transport)
        if closed or now is None or self._acknowledged is None:
            return self._transport.get_write_buffer_size()
        return max(0, self._left - (now - self._acknowledged))


class Breaking(Protocol):
    """The worker, which checks the connections in `breaking` periodically."""

    @property
    def now(self) -> float: ...

    @property
    def breaking(self) -> set[ResetWhenSent]: ...


class ResetWhenSent(asyncio.Protocol):
    """Takes over a connection until all data has arrived, then resets it; `lost` is called when it is gone."""

    __slots__ = ("_left", "_lost", "_plane", "_stalls", "_transport")

    def __init__(self, plane: Breaking, transport: asyncio.Transport, lost: Callable[[Exception | None], None]) -> None:
        self._plane = plane
        self._transport = transport
        self._lost = lost
        self._left = unsent(transport)
        self._stalls = plane.now + STALLED
        transport.set_protocol(self)
        # Further input would only be discarded.
        transport.pause_reading()
        plane.breaking.add(self)

    def tick(self, now: float) -> None:
        """Check how much has arrived."""
        left = unsent(self._transport)
        if left and left < self._left:
            self._stalls = now + STALLED
        self._left = left
        if not left or now >= self._stalls or is_reset(self._transport):
            reset(self._transport)

    def abort(self) -> None:
        """Reset the connection now."""
        reset(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._plane.breaking.discard(self)
        self._lost(exc)
