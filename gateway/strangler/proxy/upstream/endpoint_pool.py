"""Connections to one endpoint: idle ones, the requests that wait for one, and the endpoint's health.

A server may announce that it keeps a connection and close it nevertheless:
gunicorn's gthread worker does so within a millisecond or two if it did not read
the whole request body. A repeatable request is then sent once more. Any other
request must not use such a connection, so it gets one that has proven to stay
open, by being idle for `SETTLING` seconds (`SETTLING_AFTER_BODY` after a large
body), or a new one.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Protocol, cast

from strangler.model.addresses import is_address
from strangler.model.tls_context import upstream_context
from strangler.model.upstream import Endpoint
from strangler.observe.access_log import quoted
from strangler.observe.descriptors import is_exhaustion
from strangler.proxy.http.tls import connect, reason_of
from strangler.proxy.upstream.connecting import AVOIDED, Address, addresses_of, connect_first
from strangler.proxy.upstream.connection import Requesting, UpstreamConnection
from strangler.resilience.balancing import seed_of
from strangler.resilience.ejection import EndpointRecord

if TYPE_CHECKING:
    from strangler.model.upstream import Timeouts, Upstream
    from strangler.proxy.upstream.worker import Admitted, UpstreamWorker
    from strangler.resilience.breaker import Breaker
    from strangler.resilience.concurrency import ConcurrencyLimit

ALWAYS = float("-inf")
SETTLING = 0.005
SETTLING_AFTER_BODY = 1.0
LARGE_BODY = 10_000
"""Minimum size of a body, in bytes, of which a server that does not read it may leave a part in the kernel."""

_RELEASED_AT = attrgetter("released_at")

# Reading the system's certificate authorities takes 20 ms, and most upstreams have the same settings.
context_of = lru_cache(64)(upstream_context)


class Requester(Requesting, Protocol):
    """Needs a connection to send one request; the methods are those of Exchange."""

    @property
    def done(self) -> bool: ...

    @property
    def timeouts(self) -> Timeouts: ...

    @property
    def repeatable(self) -> bool:
        """Whether the request is sent once more if its connection was closed while it was idle."""

    def waits_for(self, pool: EndpointPool) -> bool: ...

    def move_to(self, pool: EndpointPool) -> None: ...

    def connected(self, connection: UpstreamConnection) -> None: ...

    def connect_failed(self, status: int, detail: str) -> None: ...

    def busy(self, detail: str) -> None: ...

    def out_of_descriptors(self) -> None: ...


class Owner(Protocol):
    """The part of UpstreamPool that the pool of an endpoint, and its exchanges, depend on."""

    @property
    def upstream(self) -> Upstream: ...

    @property
    def plane(self) -> UpstreamWorker: ...

    @property
    def available(self) -> Sequence[EndpointPool]: ...

    @property
    def guarded(self) -> bool: ...

    @property
    def breaker(self) -> Breaker | None: ...

    @property
    def breakers(self) -> Sequence[Breaker]: ...

    @property
    def limit(self) -> ConcurrencyLimit[Admitted] | None: ...

    def endpoint_failed(self, pool: EndpointPool) -> None: ...

    def endpoint_answered(self, pool: EndpointPool, status: int) -> None: ...


class EndpointPool:
    """One worker's connections to one endpoint, bounded by the upstream's `connections`.

    `left_out` is whether the endpoint was unhealthy at the last check,
    `up_since` when it last recovered. `watched` is whether its responses have to
    be recorded; those of an endpoint that always responds need not be.
    """

    __slots__ = (
        "_connecting",
        "_context",
        "_named",
        "avoided",
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

    def __init__(self, owner: Owner, endpoint: Endpoint) -> None:
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
        self._named = not is_address(endpoint.host)
        self.avoided: dict[Address, float] = {}
        self._context = context_of(owner.upstream.tls) if endpoint.tls else None

    def __repr__(self) -> str:
        return (
            f"<EndpointPool {self.endpoint.url} open={self.open} idle={len(self.idle)} "
            f"waiting={len(self.waiting)}{' retired' if self.retired else ''}>"
        )

    @property
    def upstream(self) -> Upstream:
        """The upstream of the endpoint."""
        return self.owner.upstream

    @property
    def url(self) -> str:
        """The endpoint's base URL."""
        return self.endpoint.url

    @property
    def date_line(self) -> bytes:
        """The Date field to add to a response without one."""
        return self.plane.date_line

    @property
    def takes_plain(self) -> bool:
        """Whether plain responses are read without the parser."""
        return self.plane.takes_plain

    @property
    def busy(self) -> int:
        """The number of active and waiting requests."""
        return self.open - len(self.idle) + len(self.waiting)

    def request(self, exchange: Requester, *, fresh: bool = False) -> None:
        """Give `exchange` a connection: an idle one at once, else a new one, else one when its turn comes.

        `fresh` excludes idle ones, for a request that failed on a stale one. A
        request that is not `repeatable` uses `request_proven`.
        """
        idle = self.idle
        while idle and not fresh:
            connection = idle.pop()
            if not connection.transport.is_closing():
                exchange.connected(connection)
                return
        self._request_fresh(exchange)

    def request_proven(self, exchange: Requester) -> None:
        """Give `exchange` an idle connection that has proven to stay open, else a new one."""
        idle = self.idle
        now = self.plane.loop.time()
        # Newest first: those that have been idle for long are about to be closed. They are in the order in which
        # they were returned, so the most recent ones are skipped at once.
        settled = now - SETTLING
        for place in range(bisect_right(idle, settled, key=_RELEASED_AT) - 1, -1, -1):
            connection = idle[place]
            if connection.released_at <= settled and not connection.transport.is_closing():
                if connection.is_quiet():
                    del idle[place]
                    exchange.connected(connection)
                    return
                # The end of this connection has arrived, and the event loop will report it.
                connection.released_at = now
        if idle and self.open >= self.owner.upstream.connections:
            # An idle connection makes room for a new one, which `lost` opens.
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
        """Remove an exchange that no longer needs a connection from the queue, if it is queued."""
        with contextlib.suppress(ValueError):
            self.waiting.remove(exchange)

    def release(self, connection: UpstreamConnection) -> None:
        """Return a connection whose exchange ended cleanly to the pool."""
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
                # Its place is for a new connection, which `lost` opens.
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
        """Release a connection that became a tunnel: it carries no more requests; a waiting one may open another."""
        self.open -= 1
        self._serve_waiting()

    def lost(self, connection: UpstreamConnection) -> None:
        """Remove a lost connection; a waiting request may open another."""
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
        """Connect, and give `exchange` the connection if it still wants one."""
        name = self.owner.upstream.name
        pool = self
        try:
            async with asyncio.timeout(exchange.timeouts.connect):
                others = self._others() if self.endpoint.name else ()
                if self._named or others:
                    connected, pool = await self._race(others)
                    if pool is not self and exchange.waits_for(self):
                        exchange.move_to(pool)
                    connection = await pool.connect(connected)
                else:
                    connection = await self.connect(self.endpoint.host)
        except TimeoutError:
            pool._not_opened(exchange, 504, f"Upstream {name} took too long to accept a connection.")
            return
        except ssl.SSLError as error:
            self.plane.counters.event("upstream_tls_failures", f"{name}: {reason_of(error)}")
            pool._not_opened(exchange, 502, f"The TLS handshake with upstream {name} failed.")
            return
        except OSError as error:
            if is_exhaustion(error):
                pool._out_of_descriptors(exchange, error)
            else:
                pool._not_opened(exchange, 502, f"Upstream {name} can't be reached.")
            return
        if connection.transport.is_closing():
            # Lost as soon as it opened, for example over a rejected client certificate; `lost` handles that.
            self.owner.endpoint_failed(pool)
            if exchange.waits_for(pool):
                exchange.connect_failed(502, f"Upstream {name} ended the connection at once.")
        elif exchange.waits_for(pool):
            exchange.connected(connection)
        else:
            pool.release(connection)

    async def connect(self, to: str | socket.socket) -> UpstreamConnection:
        """Open a connection to an address, or over a connected socket; raises OSError."""
        endpoint = self.endpoint
        loop = self.plane.loop

        def new_connection() -> asyncio.Protocol:
            # It has the methods of a protocol, and event loops require no more.
            return cast(asyncio.Protocol, UpstreamConnection(self))

        connected = None if isinstance(to, str) else to
        host = to if isinstance(to, str) else endpoint.host
        try:
            if self._context is not None:
                server_name = self.owner.upstream.tls.server_name or endpoint.certified_name
                connection = await connect(
                    loop, new_connection, connected or (host, endpoint.port), self._context, server_name
                )
            elif connected is None:
                _, connection = await loop.create_connection(new_connection, host, endpoint.port)
            else:
                _, connection = await loop.create_connection(new_connection, sock=connected)
        except BaseException:
            if connected is not None:
                connected.close()
            raise
        return cast(UpstreamConnection, connection)

    def _others(self) -> list[EndpointPool]:
        """Return the pools of this endpoint name's other addresses that have room for a connection."""
        endpoint = self.endpoint
        return [
            pool
            for pool in self.owner.available
            if pool is not self
            and (pool.endpoint.name, pool.endpoint.port) == (endpoint.name, endpoint.port)
            and pool.open < self.owner.upstream.connections
        ]

    async def _race(self, others: Sequence[EndpointPool]) -> tuple[str | socket.socket, EndpointPool]:
        """Return a socket connected to the first address that accepts, or the only address, and its pool.

        The addresses of a name are those that it resolves to now, or each is an
        endpoint of its own; then this endpoint is tried first.
        """
        loop = self.plane.loop
        if others:
            pools = [self, *others]
            addresses = [_address(pool.endpoint) for pool in pools]
            connected, place = await connect_first(
                loop, addresses, lambda lost: self.owner.endpoint_failed(pools[lost])
            )
            pool = pools[place]
            if pool is not self:
                self.open -= 1
                pool.open += 1
                self._serve_waiting()
            return connected, pool
        now = self.plane.now
        resolved = await addresses_of(loop, self.endpoint.host, self.endpoint.port)
        if len(resolved) == 1 and "%" not in resolved[0][1][0] and not any(resolved[0][1][3:]):
            return resolved[0][1][0], self
        self.avoided = avoided = {one: until for one, until in self.avoided.items() if until > now and one in resolved}
        resolved.sort(key=lambda one: avoided.get(one, 0.0))
        connected, place = await connect_first(
            loop, resolved, lambda lost: self.avoided.__setitem__(resolved[lost], now + AVOIDED)
        )
        return connected, self

    def _not_opened(self, exchange: Requester, status: int, detail: str) -> None:
        self.open -= 1
        self.owner.endpoint_failed(self)
        if exchange.waits_for(self):
            exchange.connect_failed(status, detail)
        self._serve_waiting()

    def _out_of_descriptors(self, exchange: Requester, error: OSError) -> None:
        self.open -= 1
        self.plane.out_of_descriptors("connect", upstream=self.owner.upstream.name, error=str(error))
        if exchange.waits_for(self):
            exchange.out_of_descriptors()
        self._serve_waiting()

    def expire(self, now: float) -> None:
        """Close connections that have been idle for too long (the oldest come first)."""
        idle = self.idle
        released = now - self.owner.upstream.keep_alive
        while idle and idle[0].released_at <= released:
            idle.pop(0).transport.close()

    def retire(self) -> None:
        """Retire an endpoint that its upstream no longer has: close idle connections, keep busy ones."""
        self.retired = True
        self.close_idle()

    def close_idle(self) -> None:
        """Close the idle connections."""
        for connection in self.idle:
            connection.transport.close()
        self.idle.clear()


def _address(endpoint: Endpoint) -> Address:
    """Return the address of an endpoint whose host is an address."""
    family = socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
    return int(family), (endpoint.host, endpoint.port)
