"""A tunnel: a client's and an endpoint's connection after 101 Switching Protocols.

Facts (RFC 9110 section 7.8, RFC 6455): after 101 the connection uses another
protocol, such as WebSocket, and all bytes are forwarded unchanged, in both
directions, each of which ends independently. Of frames only the boundaries are
tracked, so subprotocols, extensions and close codes are left to the two ends.

Each end pauses the other when its buffer is full. A tunnel without data for
`timeouts.tunnel` is closed; so is one that is half closed and has no data for
`timeouts.idle`. If one end is reset, the other is reset too, so that it can't
mistake the loss for a regular close.

When the gateway itself closes a WebSocket, both ends get a close frame with 1001
(RFC 6455 section 7.4.1), after the frame that is in transit to them, and a
moment to respond with theirs.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Literal, cast

from strangler.proxy.exchange.completion import tunnel_over
from strangler.proxy.exchange.websocket_frames import FrameWatch, close_frame
from strangler.proxy.http.broken import ResetWhenSent

if TYPE_CHECKING:
    from strangler.proxy.exchange.under_way import ExchangeWorker, RequestUnderWay
    from strangler.proxy.upstream.connection import UpstreamConnection

CLOSING = 5.0
"""Seconds that a tunnel that is closing may go without sending any of its buffered data."""
GOODBYE = 0.8
"""Seconds that the ends of a WebSocket have to respond to the gateway's close frame."""


_REASONS = {"drained": "The gateway shut down.", "idle": "Nothing was sent for too long."}


class Tunnel:
    """Two ends and their shared state; the exchange that opened the tunnel is recorded when it is over."""

    __slots__ = ("_closing", "_exchange", "_unsent", "client", "deadline", "idle", "leaving", "plane", "upstream")

    def __init__(self, exchange: RequestUnderWay, connection: UpstreamConnection, *, websocket: bool) -> None:
        timeouts = exchange.timeouts
        self.plane: ExchangeWorker = exchange.client.plane
        self.idle = timeouts.tunnel
        self.deadline = self.plane.now + self.idle
        self.client = TunnelEnd(self, "client", exchange.client.transport, timeouts.idle)
        self.upstream = TunnelEnd(self, "upstream", connection.transport, timeouts.idle)
        self.client.other = self.upstream
        self.upstream.other = self.client
        if websocket:
            self.client.watch = FrameWatch(masked=True)
            self.upstream.watch = FrameWatch(masked=False)
        self._exchange = exchange
        self._closing = False
        self.leaving = ""
        self._unsent = math.inf
        self.plane.tunnels.add(self)

    def __repr__(self) -> str:
        return f"<Tunnel from_client={self.client.passed} from_upstream={self.upstream.passed}>"

    def start(self, from_client: bytes, from_upstream: bytes, client_is_full: bool, client_has_ended: bool) -> None:
        """Take over both connections; data that followed the handshake is sent first."""
        for end in (self.client, self.upstream):
            end.transport.set_protocol(cast(asyncio.Protocol, end))
        if client_is_full:
            self.upstream.transport.pause_reading()
        else:
            self.upstream.transport.resume_reading()
        if from_client:
            self.client.data_received(from_client)
        if from_upstream:
            self.upstream.data_received(from_upstream)
        if client_has_ended:
            self.client.eof_received()

    def go_away(self, reason: Literal["drained", "idle"]) -> None:
        """Close the tunnel for a `reason` of the gateway's own; the ends of a WebSocket get a close frame."""
        if self._closing or self.leaving:
            return
        self._exchange.note(_REASONS[reason])
        self.leaving = reason
        self.deadline = self.plane.now + GOODBYE
        for end in (self.client, self.upstream):
            end.say_goodbye()
        self.look_whether_over()

    def look_whether_over(self) -> None:
        """Close once neither end has still to respond to a close frame."""
        if not (self.client.is_awaited or self.upstream.is_awaited):
            self.close(self.leaving)

    def close(self, reason: str) -> None:
        """Close both ends once their buffers are sent; an end that does not read is aborted."""
        if self._closing:
            return
        self._closing = True
        self.plane.counters.event("tunnels_closed", reason)
        self.deadline = self.plane.now + CLOSING
        for end in (self.client, self.upstream):
            end.transport.close()

    def expired(self) -> None:
        """No data arrived for too long."""
        if self.leaving and not self._closing:
            self.close(self.leaving)
            return
        if not self._closing:
            self.go_away("idle")
            return
        unsent = sum(end.transport.get_write_buffer_size() for end in (self.client, self.upstream) if not end.gone)
        if 0 < unsent < self._unsent:
            self._unsent = unsent
            self.deadline = self.plane.now + CLOSING
        else:
            self.abort()

    def _break(self, end: TunnelEnd) -> None:
        """Reset `end`, whose other end was reset, once it has all data that the other had sent before."""
        self._closing = True
        self.deadline = math.inf
        self.plane.counters.event("tunnels_closed", end.other.name)
        ResetWhenSent(self.plane, end.transport, end.connection_lost)

    def abort(self) -> None:
        """Close both ends at once."""
        for end in (self.client, self.upstream):
            end.transport.abort()

    def lost(self, end: TunnelEnd, exc: Exception | None) -> None:
        """`end` is closed; `exc` is the error if it was not closed regularly."""
        if not end.other.gone:
            # An end that has sent everything may be gone when the other's last data arrives.
            if exc is not None and not end.ended and not self._closing and not self.leaving:
                self._break(end.other)
            else:
                self.close(self.leaving or end.name)
            return
        exchange = self._exchange
        self.plane.tunnels.discard(self)
        tunnel_over(exchange, self.upstream.passed)
        exchange.client.connection_lost(exc)


class TunnelEnd:
    """One end: forwards data to the other; `passed` counts the bytes, `ended` is whether no more will arrive."""

    __slots__ = ("_half_idle", "ended", "gone", "name", "other", "passed", "told", "transport", "tunnel", "watch")

    def __init__(self, tunnel: Tunnel, name: str, transport: asyncio.Transport, half_idle: float) -> None:
        self.tunnel = tunnel
        self.name = name
        self.transport = transport
        self.other: TunnelEnd = self
        self.passed = 0
        self.ended = False
        self.gone = False
        self.told = False
        self.watch: FrameWatch | None = None
        self._half_idle = half_idle

    def say_goodbye(self) -> None:
        """Write a close frame, if the stream is at a frame boundary and no close frame was sent before."""
        watch = self.other.watch
        if watch is None or not watch.at_boundary or watch.closed or self.told or self.other.ended:
            return
        if not self.transport.is_closing():
            self.told = True
            self.transport.write(close_frame(masked=self.name == "upstream"))
            # Its close frame is awaited, even if the other end had paused it.
            self.transport.resume_reading()

    @property
    def is_awaited(self) -> bool:
        """Whether this end has still to respond to a close frame, or to get one after the frame in transit."""
        if self.gone or self.ended or self.watch is None or self.other.watch is None:
            return False
        if self.told:
            return not self.watch.closed
        return not (self.other.watch.closed or self.other.watch.lost or self.other.ended or self.other.gone)

    def _leave(self, data: bytes) -> None:
        """Handle data while the tunnel is closing: forward the rest of a frame, then nothing more."""
        watch = self.watch
        if watch is not None and not self.other.told and not watch.lost:
            rest = watch.feed(data, to_boundary=True)
            if not self.other.transport.is_closing():
                self.other.transport.write(data[:rest])
            data = data[rest:]
            self.other.say_goodbye()
        if watch is not None:
            watch.feed(data)
        self.tunnel.look_whether_over()

    def data_received(self, data: bytes) -> None:
        tunnel = self.tunnel
        if tunnel.leaving:
            self._leave(data)
            return
        if self.watch is not None:
            self.watch.feed(data)
        plane = tunnel.plane
        tunnel.deadline = plane.now + tunnel.idle
        self.passed += len(data)
        plane.counters.tunnel_bytes[self.name] += len(data)
        self.other.transport.write(data)

    def eof_received(self) -> bool:
        self.ended = True
        tunnel = self.tunnel
        if tunnel.leaving:
            tunnel.look_whether_over()
        elif self.other.ended:
            tunnel.close(self.other.name)
        else:
            tunnel.idle = min(tunnel.idle, self._half_idle)
            tunnel.deadline = tunnel.plane.now + tunnel.idle
            if not self.other.transport.is_closing():
                self.other.transport.write_eof()
        return True

    def pause_writing(self) -> None:
        if not self.other.transport.is_closing():
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if not self.other.transport.is_closing():
            self.other.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True
        self.tunnel.lost(self, exc)
