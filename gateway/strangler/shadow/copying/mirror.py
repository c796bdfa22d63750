"""Shadow traffic in a worker: the client is served as usual, and the other side gets a copy of the request.

An exchange of a shadowed route is recorded as it passes. Once its client has
the whole response, a copy of the request goes to the other side; both responses
then form a pair for the judge. So a copy never takes a connection, a turn or
time from a client. A request is not copied if its client disconnected, or if its
response has no end or is too long: these are counted, with the reason, and
nothing is ever sent or compared in part.

A copy carries `X-Shadow: 1`; a client's field of that name is dropped. The
copy's response is read, with a size limit, and goes only to the judge.
"""

from __future__ import annotations

import random
from collections import deque
from typing import TYPE_CHECKING

from strangler.model.route import Route
from strangler.model.snapshot import Snapshot
from strangler.proxy.exchange.under_way import RequestUnderWay
from strangler.routing.decide import Decision
from strangler.routing.split import BUCKETS, shadow_bucket
from strangler.shadow.copying.channel import Channel
from strangler.shadow.copying.copy import Copy
from strangler.shadow.copying.lane import Lane
from strangler.shadow.copying.recording import ExaminedFields, ExchangeRecording, KnownRecording
from strangler.shadow.known_pairs import KNOWN_PAIRS, SelfTestOrder
from strangler.shadow.pair import Reason

if TYPE_CHECKING:
    from strangler.proxy.plane import DataPlane
    from strangler.proxy.upstream.upstream_pool import UpstreamPool


class Mirror:
    """Copies requests as configured in the snapshot of `plane`.

    `favoured` are the names of routes that are copied regardless of the share.
    """

    def __init__(self, plane: DataPlane, channel: Channel | None = None) -> None:
        self.plane = plane
        self.channel = channel or Channel(plane.loop, self.self_test)
        self.favoured: frozenset[str] = frozenset()
        self._lanes: dict[str, Lane] = {}
        self._old: list[Lane] = []
        self._recorded: deque[ExchangeRecording] = deque()
        self.apply(plane.snapshot)

    def apply(self, snapshot: Snapshot) -> None:
        """Copy by `snapshot` from the next request on."""
        for lane in self._lanes.values():
            for pool in lane.pools():
                pool.retire()
        if self._lanes:
            # Once there is nothing to copy, the mirror is no longer called.
            self.channel.flush(self.plane.loop.time(), last=True)
        self._old = [lane for lane in (*self._old, *self._lanes.values()) if lane.held]
        self._lanes = {
            name: Lane(migration, migration.shadow, self.plane, snapshot, self.channel)
            for name, migration in snapshot.migrations.items()
            if migration.shadow is not None
        }

    def begin(self, exchange: RequestUnderWay, decision: Decision) -> ExchangeRecording | None:
        """Return the recording for `exchange`, which is about to be sent; if None, count the reason."""
        route, side = decision.route, decision.side
        assert route is not None
        assert route.migration is not None
        assert side is not None
        lane = self._lanes.get(route.migration.name)
        if lane is None:
            # The exchange waited, for its rate limit or a key, and the shadow ended meanwhile.
            return None
        pool = lane.targets.get((side, exchange.method))
        if pool is None:
            if side in lane.sides:
                lane.count(route, exchange.method, side, Reason.METHOD)
            return None
        reason = self._why_not(exchange, decision, lane, route)
        if reason is not None:
            lane.count(route, exchange.method, side, reason)
            return None
        fields = ExaminedFields(lane, exchange.head.fields)
        if fields.overridden:
            lane.count(route, exchange.method, side, Reason.METHOD)
            return None
        return ExchangeRecording(lane, route, exchange.method, pool, fields, side=side, complete=self._complete)

    def _why_not(self, exchange: RequestUnderWay, decision: Decision, lane: Lane, route: Route) -> str | None:
        shadow = lane.shadow
        threshold = lane.threshold
        if threshold < BUCKETS and (not threshold or route.name not in self.favoured):
            if shadow.by == "request":
                bucket = random.randrange(BUCKETS)
            else:
                bucket = shadow_bucket(lane.migration, exchange, decision.identity)
            if bucket >= threshold:
                return Reason.SAMPLED_OUT
        head = exchange.head
        if head.wants_upgrade:
            return Reason.UPGRADE
        if head.content_length is not None and int(head.content_length) > shadow.request_body:
            return Reason.TOO_BIG
        if lane.resting_until > self.plane.now:
            return Reason.UNREACHABLE
        if lane.held >= lane.most:
            # If copies wait for a side that does not respond, that is the reason why there is no room.
            return Reason.TIMED_OUT if lane.hanging else Reason.OVERLOAD
        return None

    def self_test(self, order: SelfTestOrder) -> None:
        """Send the known pairs of a migration through the normal path; ignore a migration that is not shadowed here."""
        lane = self._lanes.get(order.migration)
        if lane is None or lane.route is None:
            return
        for known in KNOWN_PAIRS.values():
            recording = KnownRecording(lane, known, order, self._complete)
            if not recording.given_up:
                self._complete(recording)

    def _complete(self, recording: ExchangeRecording) -> None:
        """Queue the copy: the client has the whole response, and the copy starts after it was flushed."""
        if not self._recorded:
            self.plane.loop.call_soon(self._start_copy)
        self._recorded.append(recording)

    def _start_copy(self) -> None:
        if not self._recorded:
            return  # the worker has ended meanwhile
        recording = self._recorded.popleft()
        if self._recorded:
            # One per iteration of the loop, so that clients whose response has arrived meanwhile go first.
            self.plane.loop.call_soon(self._start_copy)
        recording.lane.send(Copy(recording))

    @property
    def lanes(self) -> list[Lane]:
        """The lanes of the newest snapshot, and of earlier ones with active copies."""
        return [*self._lanes.values(), *self._old]

    def upstreams(self) -> list[UpstreamPool]:
        """Return the targets of copies, by the newest snapshot."""
        return [pool for lane in self._lanes.values() for pool in lane.upstreams()]

    def tick(self, now: float) -> None:
        """Abandon copies past their deadline, close idle connections, and send the batch."""
        for lane in self.lanes:
            lane.tick(now)
        self._old = [lane for lane in self._old if lane.held]
        if self._lanes or self._old:
            self.channel.flush(now)

    def count_cut_off(self) -> None:
        """Abandon and count all recordings and copies without a pair."""
        for recording in self._recorded:
            recording.give_up(Reason.STOPPED)
        self._recorded.clear()
        for lane in self.lanes:
            lane.stop()

    async def close(self) -> None:
        """Count what the end of this worker cuts off, send the batch, and close the channel."""
        self.count_cut_off()
        await self.channel.drained()
        self.channel.close()
