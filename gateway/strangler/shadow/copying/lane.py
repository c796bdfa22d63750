"""The copies of one migration in a worker: how many there are, who waits, and where they go.

Copies have connections of their own, so they can't use up those of callers.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from strangler.model.migration import Migration
from strangler.model.shadow import Shadow
from strangler.model.snapshot import Snapshot
from strangler.model.upstream import Endpoint, Upstream
from strangler.proxy.upstream.endpoint_pool import EndpointPool
from strangler.proxy.upstream.upstream_pool import UpstreamPool

if TYPE_CHECKING:
    from strangler.proxy.plane import DataPlane
    from strangler.shadow.copying.copy import Copy


KEEP_ALIVE = 1.0
"""Seconds for which a connection of copies is kept idle.

Shorter than any server keeps one: so that one which ends under a copy was not
stale, and the failure is the other side's.
"""


class Lane:
    """The copies of `migration`: `held` counts all from the first byte of a recording on, `flying` are under way.

    Requests that are served by one of `sides` are copied, by the method to one
    of the `targets`; no more than `most` may be held. `threshold` is the share
    in 1/100 of a percent, `route` the first of the migration's routes.
    `hanging` tells that the latest copy to end has timed out, `version` which
    snapshot this is from.
    """

    def __init__(self, migration: Migration, shadow: Shadow, plane: DataPlane, snapshot: Snapshot) -> None:
        self.migration = migration
        self.shadow = shadow
        self.held = 0
        self.flying: set[Copy] = set()
        self.waiting: deque[Copy] = deque()
        self.resting_until = 0.0
        self.hanging = False
        self.sides = migration.copied_sides
        copied = [(side, method) for side in self.sides for method in shadow.methods]
        copied_to = {(side, method): migration.copied_to(side, method) for side, method in copied}
        names = sorted({name for name in copied_to.values() if name is not None})
        self._upstreams = {name: self._pool(plane, snapshot.upstreams[name]) for name in names}
        self.targets = {key: self._upstreams[name] for key, name in copied_to.items() if name is not None}
        self.most = shadow.concurrency + shadow.queue
        self.threshold = shadow.threshold
        self.route = next((route for route in snapshot.routes if route.migration is migration), None)
        self.version = snapshot.version
        self._plane = plane
        self._self_test: UpstreamPool | None = None

    def _pool(self, plane: DataPlane, upstream: Upstream) -> UpstreamPool:
        shadow = self.shadow
        timeouts = replace(upstream.timeouts, connect=min(upstream.timeouts.connect, shadow.timeout))
        bounded = replace(
            upstream,
            connections=shadow.concurrency,
            idle_connections=shadow.concurrency,
            keep_alive=min(upstream.keep_alive, KEEP_ALIVE),
            timeouts=timeouts,
            ejection=None,
            breaker=None,
            concurrency=None,
        )
        return UpstreamPool(plane, bounded, plane.endpoints_of(upstream), None)

    def self_test_pool(self, url: str) -> UpstreamPool:
        """Where copies of known pairs go: the server at the base URL `url` on the loopback interface."""
        known = self._self_test
        if known is None or known.upstream.endpoints[0].url != url:
            if known is not None:
                for endpoint in known.endpoints:
                    endpoint.retire()
            parts = urlsplit(url)
            there = Endpoint(url, parts.hostname or "", parts.port or 80, parts.netloc.encode())
            # Such a name can't be in the configuration, so nothing else is taken for this upstream.
            known = self._self_test = self._pool(self._plane, Upstream(".self-test", (there,)))
        return known

    def upstreams(self) -> list[UpstreamPool]:
        """Where copies go."""
        return [*self._upstreams.values(), *((self._self_test,) if self._self_test is not None else ())]

    def pools(self) -> list[EndpointPool]:
        """All connections to endpoints."""
        return [endpoint for pool in self.upstreams() for endpoint in pool.endpoints]
