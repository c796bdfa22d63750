"""A copy of a request on its way to the other side: it has no client, and nobody waits for it."""

from __future__ import annotations

from time import monotonic, time
from typing import TYPE_CHECKING

from strangler.proxy.upstream.endpoint_pool import LARGE_BODY, EndpointPool
from strangler.shadow.copying.recording import Recording
from strangler.shadow.pair import Pair, Reason, SideResponse

if TYPE_CHECKING:
    from strangler.proxy.upstream.connection import UpstreamConnection
    from strangler.resilience.retry import Cause

RESTING = 1.0
"""Seconds without copies after the other side could not be reached."""


class _Nobody:
    """The client that a copy does not have: the whole request is in the buffer of its connection already."""

    def pause_reading(self) -> None:
        """The other side reads slowly."""

    def resume_reading(self) -> None:
        """It reads again."""


_NOBODY = _Nobody()


class Copy:
    """A copy of a request on its way to the other side, and what comes back."""

    __slots__ = (
        "_body",
        "_connection",
        "_head",
        "_pool",
        "_refused",
        "_sent_at",
        "_size",
        "_status",
        "answer",
        "at",
        "caller",
        "client",
        "deadline",
        "done",
        "lane",
        "method",
        "mirror",
        "pending_out",
        "request",
        "request_complete",
        "response_started",
        "route",
        "self_test",
        "side",
        "timeouts",
        "upstream",
    )

    def __init__(self, recording: Recording, request: bytes, answer: SideResponse, caller: int) -> None:
        self.mirror = recording.mirror
        self.lane = recording.lane
        self.route = recording.route
        self.side = recording.side
        self.upstream = recording.pool
        self.timeouts = recording.pool.upstream.timeouts
        self.method = recording.method
        self.request = request
        self.answer = answer
        self.caller = caller
        self.self_test = recording.self_test
        self.at = time()
        self.client = _NOBODY
        self.request_complete = True
        self.response_started = False
        self.done = False
        self.deadline = 0.0
        self.pending_out: list[bytes] = []
        self._pool: EndpointPool | None = None
        self._refused: set[EndpointPool] = set()
        self._connection: UpstreamConnection | None = None
        self._sent_at = monotonic()
        self._status = 0
        self._head = b""
        self._body: list[bytes] = []
        self._size = 0

    def start(self, now: float) -> None:
        """Go to the other side; `now` is the loop's time."""
        self.deadline = now + self.lane.shadow.timeout
        self._pool = self.upstream.next(None)
        self._pool.request_proven(self)

    # What connections and pools call

    @property
    def repeatable(self) -> bool:
        """Never: a fault of the other side would have to happen twice to be seen. So it meets no stale connection."""
        return False

    def connected(self, connection: UpstreamConnection) -> None:
        """Write the request to `connection`."""
        self._connection = connection
        connection.exchange = self
        self._sent_at = monotonic()
        connection.carried_body = len(self.request) > LARGE_BODY
        connection.transport.write(self.request)

    def waits_for(self, pool: EndpointPool) -> bool:
        """Whether a connection of `pool` is wanted."""
        return not self.done and self._connection is None and self._pool is pool

    def move_to(self, pool: EndpointPool) -> None:
        """Another endpoint of the same name accepted a connection before the chosen one did."""
        self._pool = pool

    def out_of_descriptors(self) -> None:
        """The gateway itself can open no connection, which is no evidence about either side."""
        self.give_up(Reason.OVERLOAD)

    def connect_failed(self, status: int, detail: str) -> None:
        """An endpoint can't be reached: try another one, as callers do; leave the side alone where there is none."""
        assert self._pool is not None
        self._refused.add(self._pool)
        another = next((pool for pool in self.upstream.endpoints if pool not in self._refused), None)
        if another is not None:
            self._pool = another
            another.request_proven(self)
            return
        self.lane.resting_until = self.mirror.plane.now + RESTING
        self.fail(Reason.UNREACHABLE)

    def interim_response(self, status: int, line: bytes, fields: bytes) -> None:
        """A 1xx says nothing that is compared."""

    def switch_protocols(
        self, connection: UpstreamConnection, line: bytes, fields: bytes, upgrade: bytes, early: bytes
    ) -> bool:
        """A copy never asks for another protocol."""
        return False

    def whole_response(self, status: int, line: bytes, fields: bytes, body: bytes) -> None:
        """The answer came in one piece; the connection is no longer this copy's."""
        self._connection = None
        self.response_head(status, line, fields, True)
        self.response_body(body)
        self.response_complete()

    def response_head(self, status: int, line: bytes, fields: bytes, delimited: bool) -> None:
        """The head of the answer."""
        self.response_started = True
        self._status = status
        self._head = fields

    def response_body(self, body: bytes) -> None:
        """A part of the answer's body."""
        if self.done:
            return
        self._size += len(body)
        if self._size > self.lane.shadow.response_body:
            self.fail(Reason.TOO_BIG)
        else:
            self._body.append(body)

    def flush(self) -> None:
        """Nobody waits for what has come so far."""

    def response_complete(self) -> None:
        """The answer is whole: hand the pair over."""
        self._connection = None
        if self.done:
            return
        self.done = True
        assert self._pool is not None
        self.lane.hanging = False
        seconds = monotonic() - self._sent_at
        self._hand_over(SideResponse(self._pool.endpoint.url, self._status, self._head, b"".join(self._body), seconds))

    def _hand_over(self, other: SideResponse) -> None:
        """Give the pair to the judge; `other` is the response to this copy."""
        legacy, extracted = (self.answer, other) if self.side == "legacy" else (other, self.answer)
        self.mirror.channel.offer(
            Pair(
                self.lane.migration.name,
                self.route.name,
                f"{self.method} {self.route.path}",
                self.at,
                self.side,
                self.caller,
                self.request,
                self.self_test,
                legacy,
                extracted,
                self.lane.version,
            )
        )
        self.mirror.finished(self)

    def upstream_lost(self) -> None:
        """The connection ended before the response did. It is not sent again: a fault would have to show twice."""
        self._connection = None
        self.fail(Reason.BROKE_OFF)

    def upstream_failed(self, cause: Cause, status: int, detail: str, *, blame: bool = True) -> None:
        """The response can't be understood."""
        self.fail(Reason.MALFORMED)

    def busy(self, detail: str) -> None:
        """There is no connection to be had: that is this gateway's doing, and no failure of the other side."""
        self.give_up(Reason.OVERLOAD)

    def fail(self, reason: str) -> None:
        """There is no whole response from the other side, for `reason`: the judge decides what that means."""
        if self.done:
            return
        self._hang_up()
        self.lane.hanging = reason == Reason.TIMED_OUT
        endpoint = self._pool.endpoint.url if self._pool is not None else ""
        self._hand_over(SideResponse(endpoint, self._status, b"", b"", monotonic() - self._sent_at, reason))

    def give_up(self, reason: str) -> None:
        """Compare nothing, for a `reason` that is not the other side's, and hang up."""
        if self.done:
            return
        self._hang_up()
        if not self.self_test:
            self.mirror.count(self.lane, self.route, self.method, self.side, reason)
        self.mirror.finished(self)

    def _hang_up(self) -> None:
        self.done = True
        connection = self._connection
        if connection is not None:
            self._connection = None
            connection.discard()
        elif self._pool is not None:
            self._pool.forget(self)
