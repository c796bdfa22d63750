"""Accepts a worker's client connections, with TLS and the PROXY protocol as the newest snapshot configures them.

A new certificate is used for new connections; open ones keep theirs. A TLS
handshake and waiting for a PROXY protocol header are bounded by the header
timeout, and count as connections of the worker and of their address.

The event loop calls the methods of protocols and needs no base class, so these
have none; the casts are for the type checker.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from typing import TYPE_CHECKING, cast

from strangler.model.listener import ListenerTls
from strangler.model.tls_context import listener_context
from strangler.proxy.client.client_hello import NO_APPLICATION_PROTOCOL, SPOKEN, offered_protocols
from strangler.proxy.client.connection import ClientConnection
from strangler.proxy.client.peer import peer_of
from strangler.proxy.client.proxy_protocol import ProxiedConnection
from strangler.proxy.http.problem_responses import problem
from strangler.proxy.http.tls import TlsConnection, reason_of
from strangler.routing.decide import Refusal

if TYPE_CHECKING:
    from strangler.proxy.client.worker import Worker


class Listener:
    """Makes the protocols of accepted connections; `handshakes` are those that can't bring requests yet."""

    def __init__(self, plane: Worker) -> None:
        self.handshakes: set[TlsConnection | ProxiedConnection] = set()
        self._plane = plane
        self._tls: ListenerTls | None = None
        self._context: ssl.SSLContext | None = None
        self._greeted: Counter[str] = Counter()

    def apply(self, tls: ListenerTls | None) -> None:
        """Use `tls` for new connections."""
        if tls != self._tls:
            self._context = None if tls is None else listener_context(tls)
            self._tls = tls

    def accept(self) -> asyncio.Protocol:
        """The protocol of a new connection."""
        plane = self._plane
        if not plane.snapshot.proxy_protocol:
            return self._introduced("", True)
        if self._full():
            return cast(asyncio.Protocol, _TurnedAway())
        connection = ProxiedConnection(plane.trusted_proxies, self._introduced, self._announced)
        connection.deadline = plane.now + plane.snapshot.limits.header_timeout
        self.handshakes.add(connection)
        return cast(asyncio.Protocol, connection)

    def _introduced(self, peer: str, believed: bool) -> asyncio.Protocol:
        """The protocol for `peer`, "" if the socket has its address; see ClientConnection for `believed`."""
        plane = self._plane
        client = ClientConnection(plane, peer, believed)
        if self._context is None:
            return cast(asyncio.Protocol, client)
        if self._full():
            return cast(asyncio.Protocol, _TurnedAway())
        connection = _Greeting(self, peer, client, self._context)
        connection.deadline = plane.now + plane.snapshot.limits.header_timeout
        self.handshakes.add(connection)
        return connection

    def admit(self, greeting: _Greeting) -> bool:
        """Whether the address of `greeting` may have another connection; it counts as one until it is settled."""
        plane = self._plane
        peer = greeting.peer
        others = self._greeted[peer] + plane.addresses.get(peer, 0)
        if others >= plane.snapshot.limits.connections_per_address and peer not in plane.trusted_proxies:
            self.handshakes.discard(greeting)
            return False
        self._greeted[peer] += 1
        return True

    def plain_answer(self) -> bytes:
        """The response to a client that sends HTTP without TLS."""
        refusal = Refusal(400, "This port serves HTTPS, and the request is plain HTTP.")
        return problem(refusal, self._plane.new_request_id(), close=True)

    def _full(self) -> bool:
        plane = self._plane
        return len(self.handshakes) + len(plane.clients) + len(plane.tunnels) >= plane.snapshot.limits.connections

    def expire(self, now: float) -> None:
        """Abort handshakes whose deadline has passed."""
        for connection in [connection for connection in self.handshakes if connection.deadline <= now]:
            connection.abort()

    def close(self) -> None:
        """Abort all handshakes."""
        for connection in list(self.handshakes):
            connection.abort()

    def _announced(self, connection: ProxiedConnection, reason: str) -> None:
        self.handshakes.discard(connection)
        if reason:
            self._plane.counters.event("proxy_protocol_refused", reason)
            self._plane.client_closed()

    def settled(self, greeting: _Greeting, error: Exception | None) -> None:
        """The handshake of a client that was admitted is over."""
        self.handshakes.discard(greeting)
        self._greeted[greeting.peer] -= 1
        if not self._greeted[greeting.peer]:
            del self._greeted[greeting.peer]
        if error is not None:
            self._plane.counters.event("tls_handshakes_failed", reason_of(error))
            self._plane.client_closed()


class _Greeting(TlsConnection):
    """A client's TLS connection; `peer` is the other end's address, "" until the socket is there to ask."""

    __slots__ = ("_hello", "_listener", "peer")

    def __init__(self, listener: Listener, peer: str, client: ClientConnection, context: ssl.SSLContext) -> None:
        super().__init__(cast(asyncio.Protocol, client), context, self._over, plain_answer=listener.plain_answer)
        self.peer = peer
        self._hello: bytes | None = b""
        self._listener = listener

    def greeted(self, data: bytes) -> bytes:
        if self._hello is None:
            return data
        self._hello += data
        offered = offered_protocols(self._hello)
        if offered is None:
            return b""
        data, self._hello = self._hello, None
        if offered and not offered & SPOKEN:
            self.refuse(NO_APPLICATION_PROTOCOL, "NO_APPLICATION_PROTOCOL")
            return b""
        return data

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not self.peer:
            self.peer = peer_of(transport)
        if self._listener.admit(self):
            super().connection_made(transport)
        else:
            raw = cast(asyncio.Transport, transport)
            raw.set_protocol(cast(asyncio.Protocol, _TurnedAway()))
            raw.abort()

    def _over(self, connection: TlsConnection, error: Exception | None) -> None:
        self._listener.settled(self, error)


class _TurnedAway:
    """A connection beyond the maximum, which is reset: without a handshake there can be no response."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).abort()

    def data_received(self, data: bytes) -> None:
        pass

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        pass

    def pause_writing(self) -> None:
        pass

    def resume_writing(self) -> None:
        pass
