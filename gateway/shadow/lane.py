"""The copies of one migration in a worker: how many there are, who waits, and where they go.

Copies have connections of their own, so they can't use up those of callers.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.config.snapshot import SAFE_METHODS, Migration, Shadow, SideName, Snapshot, Stage, Upstream
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
        self.safe = self._pool(plane, snapshot.upstreams[migration.extracted])
        self.reverse = self._pool(plane, snapshot.upstreams[migration.legacy])
        self.sandbox = self._pool(plane, snapshot.upstreams[shadow.sandbox]) if shadow.sandbox is not None else None
        self.sides = _copied_sides(migration, shadow)
        self.targets = {
            (side, method): pool
            for side in self.sides
            for method in shadow.methods
            if (pool := self._target(side, method)) is not None
        }
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
        return [pool for pool in (self.safe, self.reverse, self.sandbox) if pool is not None]

    def pools(self) -> list[EndpointPool]:
        """All connections to endpoints."""
        return [endpoint for pool in self.upstreams() for endpoint in pool.endpoints]

    def _target(self, side: SideName, method: str) -> UpstreamPool | None:
        """Where a copy goes of a request that `side` serves. Only a sandbox ever gets one that may change something."""
        if side == "extracted":
            return self.reverse if method in SAFE_METHODS else None
        return self.safe if method in SAFE_METHODS else self.sandbox


def _copied_sides(migration: Migration, shadow: Shadow) -> tuple[SideName, ...]:
    legacy: tuple[SideName, ...] = ("legacy",) if migration.stage is Stage.SHADOW else ()
    return (*legacy, "extracted") if shadow.reverse else legacy
