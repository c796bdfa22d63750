"""The endpoints of one upstream in one worker: which are healthy, and which gets the next request.

The healthy endpoints and their weights, which all balancing methods use, are
computed when something changes, not for each request.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from strangler.model.resilience import BalancingPolicy
from strangler.model.upstream import Endpoint, Upstream
from strangler.proxy.upstream.endpoint_pool import EndpointPool
from strangler.resilience.balancing import ConsistentHash, LeastRequests, RoundRobin, WeightedRoundRobin, warmth
from strangler.resilience.breaker import Breaker
from strangler.resilience.budget import RetryAllowance
from strangler.resilience.concurrency import ConcurrencyLimit
from strangler.resilience.ejection import Ejections
from strangler.routing.split import sticky_value

if TYPE_CHECKING:
    from strangler.auth.identity import Identity
    from strangler.proxy.upstream.worker import Admitted, UpstreamWorker
    from strangler.routing.request import Request

Balancer = (
    RoundRobin[EndpointPool]
    | WeightedRoundRobin[EndpointPool]
    | LeastRequests[EndpointPool]
    | ConsistentHash[EndpointPool]
)


class UpstreamPool:
    """The endpoints of an upstream, and what the worker knows about them.

    `available` are the healthy ones, or all if none is healthy: then any may be
    tried. `guarded` is whether a breaker or a concurrency limit must admit each
    request first, `special` whether the request needs a guard object for that.
    `breakers` are those of the upstream and of sides of migrations.
    `requests` counts first attempts.
    """

    __slots__ = (
        "_balanced",
        "_balancer",
        "_ejections",
        "_key",
        "_warming",
        "available",
        "breaker",
        "breakers",
        "budget",
        "endpoints",
        "guarded",
        "keyed",
        "limit",
        "plane",
        "requests",
        "special",
        "upstream",
    )

    def __init__(
        self, plane: UpstreamWorker, upstream: Upstream, endpoints: Iterable[Endpoint], before: UpstreamPool | None
    ) -> None:
        """`before` is the previous pool of this name: its connections and the state of its endpoints are kept."""
        self.plane = plane
        self.upstream = upstream
        self.requests = 0
        self.guarded = False
        self.special = False
        self.breaker: Breaker | None = None
        self.breakers: list[Breaker] = []
        self.limit: ConcurrencyLimit[Admitted] | None = None
        self.endpoints: tuple[EndpointPool, ...] = ()
        self.available: tuple[EndpointPool, ...] = ()
        self.budget = RetryAllowance(upstream.retry_budget, plane.now)
        self._balanced: tuple[EndpointPool, ...] = ()
        self._key = upstream.balancing.key
        self.keyed = bool(self._key)
        self._ejections: Ejections | None = None
        self._warming = False
        if upstream.breaker is not None:
            kept = before.breaker if before is not None else None
            self.breaker = kept if kept is not None and kept.settings == upstream.breaker else None
            self.breaker = self.breaker or plane.new_breaker(upstream.breaker, upstream.name)
        if upstream.concurrency is not None:
            self.limit = (before.limit if before is not None else None) or ConcurrencyLimit(upstream.concurrency)
            self.limit.settings = upstream.concurrency
        if before is not None:
            old = before.upstream
            if (old.ejection, old.tls, old.bare_lf) == (upstream.ejection, upstream.tls, upstream.bare_lf):
                self.endpoints = before.endpoints
            else:
                for pool in before.endpoints:
                    pool.retire()
        self.set_endpoints(endpoints)

    def set_breakers(self, breakers: Iterable[Breaker]) -> None:
        """All breakers that may have to admit requests, including the upstream's own."""
        self.breakers = list(breakers)
        self.guarded = bool(self.breakers) or self.limit is not None
        self.breaker_changed()

    def breaker_changed(self) -> None:
        """Update what depends on the breakers: the state of one may have changed."""
        self.special = any(breaker.needs_every_end for breaker in self.breakers)

    def set_endpoints(self, endpoints: Iterable[Endpoint]) -> None:
        """Use these endpoints; connections to those that stay are kept."""
        before = {pool.endpoint.url: pool for pool in self.endpoints}
        # One pool for each URL: two could not be distinguished at the next update of endpoints.
        endpoints = tuple({endpoint.url: endpoint for endpoint in endpoints}.values())
        # If none remains, all are new, and no warm endpoint could take the rest of the requests.
        slowly = any(endpoint.url in before for endpoint in endpoints)
        self.endpoints = tuple(
            self._taken_over(before.pop(endpoint.url, None), endpoint, slowly=slowly) for endpoint in endpoints
        )
        for gone in before.values():
            gone.retire()
        ejection = self.upstream.ejection
        if ejection is not None and len(self.endpoints) > 1:
            self._ejections = Ejections(ejection, [pool.record for pool in self.endpoints])
        else:
            self._ejections = None
        for pool in self.endpoints:
            self._watch(pool)
        self.refresh()

    def _taken_over(self, pool: EndpointPool | None, endpoint: Endpoint, *, slowly: bool) -> EndpointPool:
        if pool is None:
            pool = EndpointPool(self, endpoint)
            if slowly:
                pool.up_since = self.plane.now
        pool.owner = self
        pool.endpoint = endpoint
        return pool

    # Health

    def refresh(self) -> None:
        """Recompute which endpoints may be chosen."""
        well = tuple(pool for pool in self.endpoints if self._is_well(pool))
        for pool in well:
            if pool.left_out:
                pool.up_since = self.plane.now
        for pool in self.endpoints:
            pool.left_out = pool not in well
        self.available = well or self.endpoints
        self._balance()

    def _is_well(self, pool: EndpointPool) -> bool:
        return not pool.record.ejected and (self.upstream.name, pool.endpoint.url) not in self.plane.down

    def tick(self, now: float) -> None:
        """Update the breakers' counts, readmit endpoints whose ejection is over, continue slow starts."""
        for breaker in self.breakers:
            breaker.tick(now)
        if self._ejections is not None:
            back = self._ejections.take_back(now)
            if back:
                for pool in self.endpoints:
                    if pool.record in back:
                        self._watch(pool)
                        self.plane.notice("endpoint takes requests again", self.upstream.name, pool.endpoint.url)
                self.refresh()
        if self._warming:
            self._balance()

    def _balance(self) -> None:
        """Update the balancer with the current weights of the available endpoints."""
        balancing = self.upstream.balancing
        now = self.plane.now
        available = self.available
        weights = [pool.endpoint.weight * warmth(now - pool.up_since, balancing.slow_start) for pool in available]
        warming = balancing.slow_start > 0 and any(now - pool.up_since < balancing.slow_start for pool in available)
        # New weights apply to the endpoints that the balancer has; other endpoints need a new balancer.
        same = available == self._balanced
        if same and self._warming and warming and not isinstance(self._balancer, (RoundRobin, ConsistentHash)):
            self._balancer.reweigh(weights)
            return
        self._warming = warming
        self._balanced = available
        turns = RoundRobin(available, random.randrange(len(available)))
        if balancing.policy is BalancingPolicy.CONSISTENT_HASH:
            self._balancer: Balancer = ConsistentHash(available, weights, turns)
        elif balancing.policy is BalancingPolicy.LEAST_REQUESTS:
            self._balancer = LeastRequests(available, weights, _draw)
        elif min(weights) < max(weights):
            self._balancer = WeightedRoundRobin(available, weights)
        else:
            self._balancer = turns

    # Outcomes

    def endpoint_failed(self, pool: EndpointPool) -> None:
        """Record that a request to `pool` failed through the endpoint's fault."""
        if self._ejections is None:
            return
        pool.watched = True
        if self._ejections.failed(pool.record, self.plane.now):
            self.plane.notice(
                "endpoint ejected",
                self.upstream.name,
                pool.endpoint.url,
                seconds=round(pool.record.until - self.plane.now),
                repeats=pool.record.repeats,
            )
            self.refresh()

    def endpoint_answered(self, pool: EndpointPool, status: int) -> None:
        """Record that a response with `status` began at `pool`; required only if the pool is `watched`."""
        ejection = self.upstream.ejection
        if self._ejections is None or ejection is None:
            pool.watched = False
        elif status in ejection.statuses:
            self.endpoint_failed(pool)
        else:
            self._ejections.succeeded(pool.record, self.plane.now)
            self._watch(pool)

    def _watch(self, pool: EndpointPool) -> None:
        ejection = self.upstream.ejection
        pool.watched = (
            self._ejections is not None
            and ejection is not None
            and (pool.record.in_a_row > 0 or pool.record.recent is not None or bool(ejection.statuses))
        )

    # Choice of an endpoint

    def next(self, key: str | None) -> EndpointPool:
        """Return the endpoint for a first attempt, with consistent hashing that of `key`; see `key_of`."""
        self.requests += 1
        available = self.available
        if len(available) == 1:
            return available[0]
        return self._balancer.choose(key)

    def next_but(self, tried: Collection[str], key: str | None) -> EndpointPool | None:
        """Return the endpoint for another attempt, with no URL in `tried`; None if all were tried.

        This is the least busy one of the rest, or with consistent hashing the
        one that the key would map to without the tried ones.
        """
        left = [pool for pool in self.available if pool.endpoint.url not in tried]
        left = left or [pool for pool in self.endpoints if pool.endpoint.url not in tried]
        if not left:
            return None
        if self.keyed:
            weights = [pool.endpoint.weight for pool in left]
            return ConsistentHash(left, weights, RoundRobin(left)).choose(key)
        return min(left, key=lambda pool: pool.busy / pool.endpoint.weight)

    def key_of(self, request: Request, identity: Identity | None) -> str | None:
        """Return the request's key for consistent hashing; None for all other balancing methods."""
        for key in self._key:
            value = sticky_value(key, request, identity)
            if value:
                return f"{key}:{value}"
        return None


def _draw(bound: int) -> int:
    """Return an integer from 0 up to, but not including, `bound`, without the checks of random.randrange."""
    return int(random.random() * bound)
