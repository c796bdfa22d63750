"""A tunnel: what becomes of a client's and an endpoint's connection after 101 Switching Protocols.

Facts (RFC 9110 section 7.8, RFC 6455): after 101 the connection speaks another
protocol, as WebSocket, and whatever comes is passed on as it is, in both
directions, each of which ends by itself. Frames are not looked at, so
subprotocols, extensions and close codes are the two ends' own business.

Each end pauses the other when it can't take more. A tunnel over which nothing
comes for `timeouts.tunnel` is closed; so is one of which one end has said its
last and the other says nothing for `timeouts.idle`. An end that breaks breaks
the other, so that nobody takes it for a proper end.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from gateway.proxy.broken import ResetWhenSent

if TYPE_CHECKING:
    from gateway.proxy.exchange import Exchange
    from gateway.proxy.plane import DataPlane
    from gateway.proxy.upstream import UpstreamConnection

CLOSING = 5.0
"""How long nothing of what was written may go out once a tunnel is to be closed, in seconds."""


class Tunnel:
    """Two ends, and what they have in common; the exchange that asked for it is recorded when it is over."""

    __slots__ = ("_closing", "_exchange", "_unsent", "client", "deadline", "idle", "plane", "upstream")

    def __init__(self, exchange: Exchange, connection: UpstreamConnection) -> None:
        timeouts = exchange.timeouts
        self.plane: DataPlane = exchange.client.plane
        self.idle = timeouts.tunnel
        self.deadline = self.plane.now + self.idle
        self.client = TunnelEnd(self, "client", exchange.client.transport, timeouts.idle)
        self.upstream = TunnelEnd(self, "upstream", connection.transport, timeouts.idle)
        self.client.other = self.upstream
        self.upstream.other = self.client
        self._exchange = exchange
        self._closing = False
        self._unsent = math.inf
        self.plane.tunnels.add(self)

    def __repr__(self) -> str:
        return f"<Tunnel from_client={self.client.passed} from_upstream={self.upstream.passed}>"

    def start(self, from_client: bytes, from_upstream: bytes, client_is_full: bool, client_has_ended: bool) -> None:
        """Take over both connections; what has come behind the handshake goes first."""
        for end in (self.client, self.upstream):
            end.transport.set_protocol(end)
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

    def close(self, reason: str) -> None:
        """Close both ends when what was written is out; who does not read it is cut off."""
        if self._closing:
            return
        self._closing = True
        self.plane.counters.event("tunnels_closed", reason)
        self.deadline = self.plane.now + CLOSING
        for end in (self.client, self.upstream):
            end.transport.close()

    def expired(self) -> None:
        """Nothing came for too long."""
        if not self._closing:
            self.close("idle")
            return
        unsent = sum(end.transport.get_write_buffer_size() for end in (self.client, self.upstream) if not end.gone)
        if 0 < unsent < self._unsent:
            self._unsent = unsent
            self.deadline = self.plane.now + CLOSING
        else:
            self.abort()

    def _break(self, end: TunnelEnd) -> None:
        """Reset `end`, whose other end has broken, once it has all that the other had sent before."""
        self._closing = True
        self.deadline = math.inf
        self.plane.counters.event("tunnels_closed", end.other.name)
        ResetWhenSent(self.plane, end.transport, end.connection_lost)

    def abort(self) -> None:
        """Close both ends at once."""
        for end in (self.client, self.upstream):
            end.transport.abort()

    def lost(self, end: TunnelEnd, exc: Exception | None) -> None:
        """`end` is gone, broken by `exc` if that is one."""
        if not end.other.gone:
            # Who has said all before may well be gone when the other's last words arrive.
            if exc is not None and not end.ended and not self._closing:
                self._break(end.other)
            else:
                self.close(end.name)
            return
        exchange = self._exchange
        self.plane.tunnels.discard(self)
        exchange.tunnel_over(self.upstream.passed)
        exchange.client.connection_lost(exc)


class TunnelEnd(asyncio.Protocol):
    """One end: hands on to the other what comes; `passed` counts the bytes, `ended` tells that no more will come."""

    __slots__ = ("_half_idle", "ended", "gone", "name", "other", "passed", "transport", "tunnel")

    def __init__(self, tunnel: Tunnel, name: str, transport: asyncio.Transport, half_idle: float) -> None:
        self.tunnel = tunnel
        self.name = name
        self.transport = transport
        self.other: TunnelEnd = self
        self.passed = 0
        self.ended = False
        self.gone = False
        self._half_idle = half_idle

    def data_received(self, data: bytes) -> None:
        tunnel = self.tunnel
        plane = tunnel.plane
        tunnel.deadline = plane.now + tunnel.idle
        self.passed += len(data)
        plane.counters.tunnel_bytes[self.name] += len(data)
        self.other.transport.write(data)

    def eof_received(self) -> bool:
        self.ended = True
        tunnel = self.tunnel
        if self.other.ended:
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
