"""Connections to one endpoint: which are idle, which requests wait for one, and how the endpoint does.

A server may say that it keeps a connection and close it all the same: gunicorn's
gthread worker does so within a millisecond or two where it did not read the
whole body of the request. A request that can be repeated is sent once more
then. Any other must not meet such a connection, so it gets one that has proven
to stay open, by being idle for `SETTLING` seconds (`SETTLING_AFTER_BODY` after
a large body), or a fresh one.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from bisect import bisect_right
from collections import deque
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING

from gateway.config.snapshot import Endpoint
from gateway.config.tls import upstream_context
from gateway.observe.access_log import quoted
from gateway.proxy.tls import connect, reason_of
from gateway.proxy.upstream import UpstreamConnection
from gateway.resilience.balancing import seed_of
from gateway.resilience.ejection import EndpointRecord

if TYPE_CHECKING:
    from gateway.proxy.endpoints import UpstreamPool
    from gateway.proxy.requester import Requester

ALWAYS = float("-inf")
SETTLING = 0.005
SETTLING_AFTER_BODY = 1.0
LARGE_BODY = 10_000
"""From so many bytes on, a server that does not read a body may leave a part of it unread in the kernel."""

_RELEASED_AT = attrgetter("released_at")

# Reading the machine's authorities takes 20 ms, and most upstreams have the same settings.
_context_of = lru_cache(64)(upstream_context)


class EndpointPool:
    """One worker's connections to one endpoint, bounded by the upstream's `connections`.

    `left_out` tells that it was not well when that was last looked at,
    `up_since` when it last came back. `watched` tells that an answer from it has
    to be noted; one that always answers need not be.
    """

    __slots__ = (
        "_connecting",
        "_context",
        "endpoint",
        "idle",
        "left_out",
        "open",
        "owner",
        "plane",
        "quoted_url",
        "record",
        "retired",
        "seed",
        "up_since",
        "waiting",
        "watched",
    )

    def __init__(self, owner: UpstreamPool, endpoint: Endpoint) -> None:
        self.owner = owner
        self.plane = owner.plane
        self.endpoint = endpoint
        self.quoted_url = quoted(endpoint.url)
        self.idle: list[UpstreamConnection] = []
        self.open = 0
        self.waiting: deque[Requester] = deque()
        self.retired = False
        self.seed = seed_of(endpoint.url)
        self.record = EndpointRecord(owner.upstream.ejection)
        self.left_out = False
        self.up_since = ALWAYS
        self.watched = False
        self._connecting: set[asyncio.Task[None]] = set()
        self._context = _context_of(owner.upstream.tls) if endpoint.tls else None

    def __repr__(self) -> str:
        return (
            f"<EndpointPool {self.endpoint.url} open={self.open} idle={len(self.idle)} "
            f"waiting={len(self.waiting)}{' retired' if self.retired else ''}>"
        )

    @property
    def busy(self) -> int:
        """The requests under way or waiting."""
        return self.open - len(self.idle) + len(self.waiting)

    def request(self, exchange: Requester, *, fresh: bool = False) -> None:
        """Give `exchange` a connection: an idle one at once, else a new one, else when its turn comes.

        `fresh` refuses idle ones, for a request that has met a stale one. A
        request that is not `repeatable` asks by `request_proven`.
        """
        idle = self.idle
        while idle and not fresh:
            connection = idle.pop()
            if not connection.transport.is_closing():
                exchange.connected(connection)
                return
        self._request_fresh(exchange)

    def request_proven(self, exchange: Requester) -> None:
        """Give `exchange` a connection: an idle one that has proven to stay open, else a fresh one."""
        idle = self.idle
        now = self.plane.loop.time()
        # From the newest on: those that have been idle for long are about to be closed. They stand in the order in
        # which they came back, so those that came just now are skipped at once.
        settled = now - SETTLING
        for place in range(bisect_right(idle, settled, key=_RELEASED_AT) - 1, -1, -1):
            connection = idle[place]
            if connection.released_at <= settled and not connection.transport.is_closing():
                if connection.is_quiet():
                    del idle[place]
                    exchange.connected(connection)
                    return
                # Its end has arrived, and the event loop will say so.
                connection.released_at = now
        if idle and self.open >= self.owner.upstream.connections:
            # An idle one makes room for a fresh one, which `lost` makes.
            self.waiting.append(exchange)
            idle.pop(0).transport.abort()
            return
        self._request_fresh(exchange)

    def _request_fresh(self, exchange: Requester) -> None:
        upstream = self.owner.upstream
        if self.open < upstream.connections:
            self._connect(exchange)
        elif len(self.waiting) < upstream.queue:
            self.waiting.append(exchange)
        else:
            exchange.busy(f"Upstream {upstream.name} is busy.")

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
            if not exchange.waits_for(self):
                continue
            if exchange.repeatable or not connection.used:
                exchange.connected(connection)
            else:
                # Its place is for a fresh one, which `lost` makes.
                self.waiting.appendleft(exchange)
                connection.transport.close()
            return
        upstream = self.owner.upstream
        if len(self.idle) >= upstream.idle_connections:
            connection.transport.close()
            return
        connection.released_at = self.plane.loop.time()
        if connection.carried_body:
            connection.carried_body = False
            connection.released_at += SETTLING_AFTER_BODY - SETTLING
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
        while self.waiting and self.open < self.owner.upstream.connections:
            exchange = self.waiting.popleft()
            if exchange.waits_for(self):
                self._connect(exchange)

    def _connect(self, exchange: Requester) -> None:
        self.open += 1
        task = self.plane.loop.create_task(self._open(exchange))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _open(self, exchange: Requester) -> None:
        endpoint = self.endpoint
        name = self.owner.upstream.name
        try:
            async with asyncio.timeout(exchange.timeouts.connect):
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
                        self.owner.upstream.tls.server_name or endpoint.name or endpoint.host,
                    )
        except TimeoutError:
            self._not_opened(exchange, 504, f"Upstream {name} took too long to accept a connection.")
            return
        except ssl.SSLError as error:
            self.plane.counters.event("upstream_tls_failures", f"{name}: {reason_of(error)}")
            self._not_opened(exchange, 502, f"The TLS handshake with upstream {name} failed.")
            return
        except OSError:
            self._not_opened(exchange, 502, f"Upstream {name} can't be reached.")
            return
        if connection.transport.is_closing():
            # Lost as soon as it was there, as where a client certificate is not accepted; `lost` has heard or will.
            self.owner.endpoint_failed(self)
            if exchange.waits_for(self):
                exchange.connect_failed(502, f"Upstream {name} ended the connection at once.")
        elif exchange.waits_for(self):
            exchange.connected(connection)
        else:
            self.release(connection)

    def _not_opened(self, exchange: Requester, status: int, detail: str) -> None:
        self.open -= 1
        self.owner.endpoint_failed(self)
        if exchange.waits_for(self):
            exchange.connect_failed(status, detail)
        self._serve_waiting()

    def expire(self, now: float) -> None:
        """Close connections that have been idle for too long (the oldest stand first)."""
        idle = self.idle
        released = now - self.owner.upstream.keep_alive
        while idle and idle[0].released_at <= released:
            idle.pop(0).transport.close()

    def retire(self) -> None:
        """The upstream has this endpoint no more: close what is idle, keep what is at work."""
        self.retired = True
        for connection in self.idle:
            connection.transport.close()
        self.idle.clear()
