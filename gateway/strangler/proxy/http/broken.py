"""Ending a connection visibly broken, once everything that was written to it has reached the peer.

Facts (RFC 9112 section 8, RFC 9293 section 3.10.7): where a length or chunks
frame a body, its client sees that a part is missing when the connection just
closes. Where the end of the connection ends the body, and in a tunnel, only a
reset tells. A reset makes both kernels drop what they have not handed on yet at
the sender's side, so it has to wait until the peer's kernel has acknowledged
everything; Linux then lets the peer read what it has before it hears of the
reset.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from strangler.proxy.http.reset import reset
from strangler.proxy.http.socket_state import acknowledged, is_reset, unsent

STALLED = 60.0
"""How long nothing of what was written may reach the peer before it is reset all the same, in seconds."""


class Delivery:
    """How much of what was written to a connection so far arrives before it is gone."""

    __slots__ = ("_acknowledged", "_left", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._acknowledged = acknowledged(transport)
        self._left = unsent(transport)
        while (now := acknowledged(transport)) != self._acknowledged:
            # What was acknowledged between the two readings would count as left, and never be seen to arrive.
            self._acknowledged, self._left = now, unsent(transport)

    def lost(self, *, closed: bool) -> int:
        """The bytes that did not arrive; `closed` tells that the connection was not reset.

        The kernel goes on to send what it has of a connection that was closed.
        """
        now = acknowledged(self._transport)
        if closed or now is None or self._acknowledged is None:
            return self._transport.get_write_buffer_size()
        return max(0, self._left - (now - self._acknowledged))


class Breaking(Protocol):
    """The worker, which keeps the time of those that are `breaking`."""

    @property
    def now(self) -> float: ...

    @property
    def breaking(self) -> set[ResetWhenSent]: ...


class ResetWhenSent(asyncio.Protocol):
    """Takes a connection over until all of it has arrived, and resets it then; `lost` is called when it is gone."""

    __slots__ = ("_left", "_lost", "_plane", "_stalls", "_transport")

    def __init__(self, plane: Breaking, transport: asyncio.Transport, lost: Callable[[Exception | None], None]) -> None:
        self._plane = plane
        self._transport = transport
        self._lost = lost
        self._left = unsent(transport)
        self._stalls = plane.now + STALLED
        transport.set_protocol(self)
        # Whatever still comes would only be thrown away.
        transport.pause_reading()
        plane.breaking.add(self)

    def tick(self, now: float) -> None:
        """Look how much has arrived."""
        left = unsent(self._transport)
        if left and left < self._left:
            self._stalls = now + STALLED
        self._left = left
        if not left or now >= self._stalls or is_reset(self._transport):
            reset(self._transport)

    def abort(self) -> None:
        """Reset it now."""
        reset(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._plane.breaking.discard(self)
        self._lost(exc)
