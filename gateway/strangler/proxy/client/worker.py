"""The worker as its client connections see it; `DataPlane` is one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

from strangler.auth.verify import Verifier
from strangler.model.snapshot import Snapshot
from strangler.observe.access_log import AccessLogWriter
from strangler.observe.counters import Counters
from strangler.proxy.http.broken import ResetWhenSent
from strangler.proxy.http.headers import Actions
from strangler.proxy.rate_limits.limiter import RateLimiter
from strangler.proxy.upstream.requester import Mirroring
from strangler.proxy.upstream.upstream_pool import UpstreamPool
from strangler.resilience.breaker import Breaker
from strangler.resilience.stale import StaleAnswers
from strangler.routing.trust import TrustedProxies

if TYPE_CHECKING:
    from strangler.proxy.exchange.exchange import Exchange
    from strangler.proxy.exchange.tunnel import Tunnel


class ExchangeWorker(Protocol):
    """What exchanges and tunnels need of the worker."""

    loop: asyncio.AbstractEventLoop
    now: float
    timestamp: str
    snapshot: Snapshot
    generation: int
    draining: bool
    drawn: Iterator[bytes]
    counters: Counters
    access_log: AccessLogWriter | None
    pools: dict[str, UpstreamPool]
    side_breakers: dict[tuple[str, str], Breaker]
    stale_answers: dict[str, StaleAnswers]
    verifiers: dict[str, Verifier]
    mirror: Mirroring | None
    rate_limiter: RateLimiter
    refetch_deadline: float
    tunnels: set[Tunnel]
    breaking: set[ResetWhenSent]

    def may_refetch(self, provider: str) -> bool: ...
    def refetch(self, provider: str, exchange: Exchange) -> None: ...
    def notice(self, event: str, upstream: str, endpoint: str = "", **fields: str | int) -> None: ...


class Worker(ExchangeWorker, Protocol):
    """What all connections of a worker share.

    `now` is the loop's time at the last tick. `generation` changes with the
    snapshot and the keys. `addresses` counts connections by network,
    `turned_away` those beyond the maximum that still get an error response, and
    `known_bytes` what connections remember of heads. `clients` are the
    connections themselves, but those that became tunnels.
    """

    clients: set[Any]
    accepting: bool
    trusted_proxies: TrustedProxies
    request_actions: Actions
    addresses: dict[str, int]
    turned_away: int
    known_bytes: int

    def new_request_id(self) -> bytes:
        """A request id for what arrived without one."""

    def client_closed(self) -> None:
        """A client's connection is gone."""
