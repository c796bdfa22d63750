"""How a worker meets clients: over TLS or not, as the newest snapshot says.

A new certificate counts for the connections that come from then on; those that
are there keep the one that they were met with. A handshake is bounded by the
time that a request's head may take, and counts as a connection.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, cast

from gateway.config.snapshot import ListenerTls
from gateway.config.tls import listener_context
from gateway.proxy.client import ClientConnection
from gateway.proxy.tls import TlsConnection, reason_of

if TYPE_CHECKING:
    from gateway.proxy.plane import DataPlane


class Listener:
    """Makes the protocols of accepted connections; `handshakes` are those that are not through with TLS."""

    def __init__(self, plane: DataPlane) -> None:
        self.handshakes: set[TlsConnection] = set()
        self._plane = plane
        self._tls: ListenerTls | None = None
        self._context: ssl.SSLContext | None = None

    def apply(self, tls: ListenerTls | None) -> None:
        """Meet new clients by `tls`."""
        if tls != self._tls:
            self._context = None if tls is None else listener_context(tls)
            self._tls = tls

    def accept(self) -> asyncio.Protocol:
        """The protocol of a new connection."""
        if self._context is None:
            return ClientConnection(self._plane)
        plane = self._plane
        limits = plane.snapshot.limits
        if len(self.handshakes) + len(plane.clients) >= limits.connections:
            return _TurnedAway()
        connection = TlsConnection(ClientConnection(plane), self._context, self._settled, server_side=True)
        connection.deadline = plane.now + limits.header_timeout
        self.handshakes.add(connection)
        return connection

    def expire(self, now: float) -> None:
        """Give up handshakes whose time is over."""
        for connection in [connection for connection in self.handshakes if connection.deadline <= now]:
            connection.abort()

    def close(self) -> None:
        """Give up all handshakes."""
        for connection in list(self.handshakes):
            connection.abort()

    def _settled(self, connection: TlsConnection, error: Exception | None) -> None:
        self.handshakes.discard(connection)
        if error is not None:
            self._plane.counters.event("tls_handshakes_failed", reason_of(error))


class _TurnedAway(asyncio.Protocol):
    """A connection beyond the limit: without a handshake there is no way to say so."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).abort()
