"""The copies of one migration in a worker: how many there are, who waits, and where they go.

Copies have connections of their own, so they can't use up those of callers.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.config.snapshot import Migration, Shadow, Snapshot, Upstream
from gateway.proxy.endpoints import UpstreamPool
from gateway.proxy.pool import EndpointPool

if TYPE_CHECKING:
    from gateway.proxy.plane import DataPlane
    from gateway.shadow.copies import Copy


class Lane:
    """The copies of `migration`: `held` counts all from the first byte of a recording on, `flying` are under way.

    Requests that are served by one of `sides` are copied, by the method to one
    of the `targets`; no more than `most` may be held. `threshold` is the share
    in 1/100 of a percent.
    """

    def __init__(self, migration: Migration, shadow: Shadow, plane: DataPlane, snapshot: Snapshot) -> None:
        self.migration = migration
        self.shadow = shadow
        self.held = 0
        self.flying: set[Copy] = set()
        self.waiting: deque[Copy] = deque()
        self.resting_until = 0.0
        self.sides = migration.copied_sides
        copied = [(side, method) for side in self.sides for method in shadow.methods]
        copied_to = {(side, method): migration.copied_to(side, method) for side, method in copied}
        names = sorted({name for name in copied_to.values() if name is not None})
        self._upstreams = {name: self._pool(plane, snapshot.upstreams[name]) for name in names}
        self.targets = {key: self._upstreams[name] for key, name in copied_to.items() if name is not None}
        self.most = shadow.concurrency + shadow.queue
        self.threshold = shadow.threshold

    def _pool(self, plane: DataPlane, upstream: Upstream) -> UpstreamPool:
        shadow = self.shadow
        timeouts = replace(upstream.timeouts, connect=min(upstream.timeouts.connect, shadow.timeout))
        bounded = replace(
            upstream,
            connections=shadow.concurrency,
            idle_connections=shadow.concurrency,
            timeouts=timeouts,
            ejection=None,
            breaker=None,
            concurrency=None,
        )
        return UpstreamPool(plane, bounded, plane.endpoints_of(upstream), None)

    def upstreams(self) -> list[UpstreamPool]:
        """Where copies go."""
        return list(self._upstreams.values())

    def pools(self) -> list[EndpointPool]:
        """All connections to endpoints."""
        return [endpoint for pool in self.upstreams() for endpoint in pool.endpoints]
