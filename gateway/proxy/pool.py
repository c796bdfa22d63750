"""Connections to the endpoints of an upstream: who is idle, who waits, whose turn it is."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import Container
from functools import lru_cache
from typing import TYPE_CHECKING

from gateway.config.snapshot import Endpoint, Upstream
from gateway.config.tls import upstream_context
from gateway.proxy.tls import connect, reason_of
from gateway.proxy.upstream import UpstreamConnection

if TYPE_CHECKING:
    from gateway.proxy.plane import DataPlane
    from gateway.proxy.requester import Requester


# Reading the machine's authorities takes 20 ms, and most upstreams have the same settings.
_context_of = lru_cache(64)(upstream_context)


class EndpointPool:
    """One worker's connections to one endpoint, bounded by the upstream's `connections`."""

    __slots__ = ("_connecting", "_context", "endpoint", "idle", "open", "plane", "retired", "upstream", "waiting")

    def __init__(self, plane: DataPlane, upstream: Upstream, endpoint: Endpoint) -> None:
        self.plane = plane
        self.upstream = upstream
        self.endpoint = endpoint
        self.idle: list[UpstreamConnection] = []
        self.open = 0
        self.waiting: deque[Requester] = deque()
        self.retired = False
        self._connecting: set[asyncio.Task[None]] = set()
        self._context = _context_of(upstream.tls) if endpoint.tls else None

    def __repr__(self) -> str:
        return (
            f"<EndpointPool {self.endpoint.url} open={self.open} idle={len(self.idle)} "
            f"waiting={len(self.waiting)}{' retired' if self.retired else ''}>"
        )

    def request(self, exchange: Requester, *, fresh: bool = False) -> None:
        """Give `exchange` a connection: an idle one at once, else a new one, else when its turn comes.

        `fresh` refuses idle ones, for a request that has met a stale one.
        """
        idle = self.idle
        while idle and not fresh:
            connection = idle.pop()
            if not connection.transport.is_closing():
                exchange.connected(connection)
                return
        if self.open < self.upstream.connections:
            self._connect(exchange)
        elif len(self.waiting) < self.upstream.queue:
            self.waiting.append(exchange)
        else:
            exchange.fail(503, f"Upstream {self.upstream.name} is busy.")

    def forget(self, exchange: Requester) -> None:
        """Give up the place of an exchange that no longer waits for a connection, if it has one."""
        with contextlib.suppress(ValueError):
            self.waiting.remove(exchange)

    def release(self, connection: UpstreamConnection) -> None:
        """Take back a connection whose exchange ended cleanly."""
        if self.retired:
            connection.transport.close()
            return
        while self.waiting and not connection.transport.is_closing():
            exchange = self.waiting.popleft()
            if not exchange.done:
                exchange.connected(connection)
                return
        if len(self.idle) >= self.upstream.idle_connections:
            connection.transport.close()
            return
        connection.idle_until = self.plane.now + self.upstream.keep_alive
        self.idle.append(connection)

    def switched(self) -> None:
        """A connection has become a tunnel: it carries no more requests, and whoever waits may open another."""
        self.open -= 1
        self._serve_waiting()

    def lost(self, connection: UpstreamConnection) -> None:
        """A connection is gone; whoever waits may open another."""
        self.open -= 1
        if connection.exchange is None and connection in self.idle:
            self.idle.remove(connection)
        self._serve_waiting()

    def _serve_waiting(self) -> None:
        while self.waiting and self.open < self.upstream.connections:
            exchange = self.waiting.popleft()
            if not exchange.done:
                self._connect(exchange)

    def _connect(self, exchange: Requester) -> None:
        self.open += 1
        task = self.plane.loop.create_task(self._open(exchange))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _open(self, exchange: Requester) -> None:
        endpoint = self.endpoint
        try:
            async with asyncio.timeout(self.upstream.timeouts.connect):
                if self._context is None:
                    _, connection = await self.plane.loop.create_connection(
                        lambda: UpstreamConnection(self), endpoint.host, endpoint.port
                    )
                else:
                    connection = await connect(
                        self.plane.loop,
                        lambda: UpstreamConnection(self),
                        endpoint.host,
                        endpoint.port,
                        self._context,
                        self.upstream.tls.server_name or endpoint.host,
                    )
        except TimeoutError:
            self.open -= 1
            exchange.connect_failed(504, f"Upstream {self.upstream.name} took too long to accept a connection.")
            self._serve_waiting()
            return
        except ssl.SSLError as error:
            self.open -= 1
            self.plane.counters.event("upstream_tls_failures", f"{self.upstream.name}: {reason_of(error)}")
            exchange.connect_failed(502, f"The TLS handshake with upstream {self.upstream.name} failed.")
            self._serve_waiting()
            return
        except OSError:
            self.open -= 1
            exchange.connect_failed(502, f"Upstream {self.upstream.name} can't be reached.")
            self._serve_waiting()
            return
        if connection.transport.is_closing():
            # Lost as soon as it was there, as where a client certificate is not accepted; `lost` has heard or will.
            exchange.connect_failed(502, f"Upstream {self.upstream.name} ended the connection at once.")
        elif exchange.done:
            self.release(connection)
        else:
            exchange.connected(connection)

    def expire(self, now: float) -> None:
        """Close connections that have been idle for too long (the oldest stand first)."""
        idle = self.idle
        while idle and idle[0].idle_until <= now:
            idle.pop(0).transport.close()

    def retire(self) -> None:
        """The configuration names this endpoint no more: close what is idle, keep what is at work."""
        self.retired = True
        for connection in self.idle:
            connection.transport.close()
        self.idle.clear()


class UpstreamPool:
    """The endpoints of one upstream, taken in turns."""

    __slots__ = ("_turn", "endpoints", "plane", "upstream")

    def __init__(self, plane: DataPlane, upstream: Upstream, known: dict[tuple[Upstream, str], EndpointPool]) -> None:
        self.plane = plane
        self.upstream = upstream
        self.endpoints = tuple(
            known.get((upstream, endpoint.url)) or EndpointPool(plane, upstream, endpoint)
            for endpoint in upstream.endpoints
        )
        self._turn = 0

    def next(self) -> EndpointPool:
        """Round robin over the endpoints that are not known to be down; over all of them if all are."""
        endpoints = self.endpoints
        if len(endpoints) == 1:
            return endpoints[0]
        down = self.plane.down
        for _ in endpoints:
            self._turn = (self._turn + 1) % len(endpoints)
            pool = endpoints[self._turn]
            if pool.endpoint.url not in down:
                return pool
        self._turn = (self._turn + 1) % len(endpoints)
        return endpoints[self._turn]

    def next_but(self, tried: Container[str]) -> EndpointPool | None:
        """The next one whose URL is not among `tried`, one that is up if there is one; None if all were tried."""
        left = [pool for pool in self.endpoints if pool.endpoint.url not in tried]
        up = [pool for pool in left if pool.endpoint.url not in self.plane.down]
        return next(iter(up or left), None)
