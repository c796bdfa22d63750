"""The copies of one migration in a worker: their number, their queue, and their targets.

Copies have connections of their own, so they can't use up those of clients.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from strangler.model.migration import Migration, SideName
from strangler.model.route import Route
from strangler.model.shadow import Shadow
from strangler.model.snapshot import Snapshot
from strangler.model.upstream import Endpoint, Upstream
from strangler.proxy.upstream.endpoint_pool import EndpointPool
from strangler.proxy.upstream.upstream_pool import UpstreamPool
from strangler.shadow.pair import Pair, Reason, not_compared

if TYPE_CHECKING:
    from strangler.proxy.plane import DataPlane
    from strangler.shadow.copying.channel import Channel


RESTING = 1.0
"""Seconds without copies after the other side was unreachable."""

KEEP_ALIVE = 1.0
"""Seconds for which a connection of copies is kept idle.

Shorter than any server's own timeout: so a connection that ends during a copy
was not stale, and the failure is the other side's.
"""


class Flight(Protocol):
    """An active or waiting copy; it has to end by `deadline`, in the loop's time."""

    deadline: float

    def start(self, now: float) -> None:
        """Send the copy to the other side; `now` is the loop's time."""

    def fail(self, reason: str) -> None:
        """Record that the other side gave no whole response, for `reason`."""

    def give_up(self, reason: str) -> None:
        """Drop the copy without a comparison, for a `reason` that is not the other side's fault."""


class Lane:
    """The copies of `migration`: `held` counts all from the first byte of a recording on.

    Requests that one of `sides` served are copied to one of the `targets`, by
    method; at most `most` are held. `threshold` is the share in 1/100 of a
    percent, `route` the first of the migration's routes. `hanging` is whether
    the copy that ended last timed out, `version` the version of the snapshot.
    """

    def __init__(
        self, migration: Migration, shadow: Shadow, plane: DataPlane, snapshot: Snapshot, channel: Channel
    ) -> None:
        self.migration = migration
        self.shadow = shadow
        self.held = 0
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
        self._channel = channel
        self._flying: set[Flight] = set()
        self._waiting: deque[Flight] = deque()
        self._self_test: UpstreamPool | None = None

    def __repr__(self) -> str:
        return (
            f"<Lane {self.migration.name} held={self.held} flying={len(self._flying)} waiting={len(self._waiting)}"
            f"{' hanging' if self.hanging else ''}{' resting' if self.resting_until > self._plane.now else ''}>"
        )

    # Called by recordings and copies

    def count(self, route: Route, method: str, served: SideName, reason: str) -> None:
        """Count a request without a pair."""
        name = self.migration.name
        self._channel.count(not_compared(name, route.name, route.path, method, served, reason, self.version))

    def send(self, copy: Flight) -> None:
        """Start `copy`, or queue it."""
        if len(self._flying) < self.shadow.concurrency:
            self._flying.add(copy)
            copy.start(self._plane.now)
        else:
            self._waiting.append(copy)

    def hand_over(self, copy: Flight, pair: Pair) -> None:
        """End `copy`, and give its pair to the judge."""
        self._channel.offer(pair)
        self.finished(copy)

    def finished(self, copy: Flight) -> None:
        """End `copy`, and start a waiting one."""
        self._flying.discard(copy)
        self.held -= 1
        while self._waiting and len(self._flying) < self.shadow.concurrency:
            following = self._waiting.popleft()
            self._flying.add(following)
            following.start(self._plane.now)

    def rest(self) -> None:
        """Pause the lane for a while: the other side is unreachable."""
        self.resting_until = self._plane.now + RESTING

    # Time

    def tick(self, now: float) -> None:
        """Fail the copies past their deadline, and close idle connections."""
        for copy in [copy for copy in self._flying if copy.deadline <= now]:
            copy.fail(Reason.TIMED_OUT)
        for upstream in self.upstreams():
            upstream.tick(now)
            for pool in upstream.endpoints:
                pool.expire(now)

    def stop(self) -> None:
        """Abandon all copies: the worker ends."""
        waiting = list(self._waiting)
        self._waiting.clear()
        for copy in (*self._flying, *waiting):
            copy.give_up(Reason.STOPPED)

    # Targets

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
        """Return the target of known pairs' copies: the server at the base URL `url` on the loopback interface."""
        known = self._self_test
        if known is None or known.upstream.endpoints[0].url != url:
            if known is not None:
                for endpoint in known.endpoints:
                    endpoint.retire()
            parts = urlsplit(url)
            there = Endpoint(url, parts.hostname or "", parts.port or 80, parts.netloc.encode())
            # Such a name can't be in the configuration, so no other upstream has it.
            known = self._self_test = self._pool(self._plane, Upstream(".self-test", (there,)))
        return known

    def upstreams(self) -> list[UpstreamPool]:
        """The targets of copies."""
        return [*self._upstreams.values(), *((self._self_test,) if self._self_test is not None else ())]

    def pools(self) -> list[EndpointPool]:
        """All connections to endpoints."""
        return [endpoint for pool in self.upstreams() for endpoint in pool.endpoints]
