"""A copy of a request on its way to the other side: it has no client, and nobody waits for it."""

from __future__ import annotations

from time import monotonic, time
from typing import TYPE_CHECKING

from strangler.proxy.upstream.endpoint_pool import LARGE_BODY, EndpointPool
from strangler.shadow.pair import Pair, Reason, SideResponse

if TYPE_CHECKING:
    from strangler.proxy.upstream.connection import UpstreamConnection
    from strangler.resilience.retry import Cause
    from strangler.shadow.copying.recording import ExchangeRecording


class _NoClient:
    """The client that a copy does not have: the whole request is in the buffer of its connection already."""

    def pause_reading(self) -> None:
        """The other side reads slowly."""

    def resume_reading(self) -> None:
        """It reads again."""


_NO_CLIENT = _NoClient()


class Copy:
    """A copy of a request on its way to the other side, and what comes back."""

    __slots__ = (
        "_at",
        "_body",
        "_caller",
        "_connection",
        "_head",
        "_lane",
        "_pool",
        "_recording",
        "_refused",
        "_request",
        "_response",
        "_sent_at",
        "_size",
        "_status",
        "client",
        "deadline",
        "done",
        "method",
        "request_complete",
        "response_started",
        "timeouts",
    )

    def __init__(self, recording: ExchangeRecording) -> None:
        self.method = recording.method
        self.timeouts = recording.pool.upstream.timeouts
        self.client = _NO_CLIENT
        self.request_complete = True
        self.response_started = False
        self.done = False
        self.deadline = 0.0
        self._recording = recording
        self._lane = recording.lane
        self._request = recording.copied()
        self._response = recording.response()
        self._caller = recording.caller()
        recording.let_go()
        self._at = time()
        self._pool: EndpointPool | None = None
        self._refused: set[EndpointPool] | None = None
        self._connection: UpstreamConnection | None = None
        self._sent_at = 0.0
        self._status = 0
        self._head = b""
        self._body: list[bytes] = []
        self._size = 0

    def start(self, now: float) -> None:
        """Go to the other side; `now` is the loop's time."""
        self._sent_at = monotonic()
        self.deadline = now + self._lane.shadow.timeout
        self._pool = pool = self._recording.pool.next(None)
        pool.request_proven(self)

    # What connections and pools call

    @property
    def repeatable(self) -> bool:
        """Never: a fault of the other side would have to happen twice to be seen. So it gets no stale connection."""
        return False

    def connected(self, connection: UpstreamConnection) -> None:
        """Write the request to `connection`."""
        self._connection = connection
        connection.exchange = self
        self._sent_at = monotonic()
        connection.carried_body = len(self._request) > LARGE_BODY
        connection.transport.write(self._request)

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
        self._refused = refused = {*(self._refused or ()), self._pool}
        another = next((pool for pool in self._recording.pool.endpoints if pool not in refused), None)
        if another is not None:
            self._pool = another
            another.request_proven(self)
            return
        self._lane.rest()
        self.fail(Reason.UNREACHABLE)

    def interim_response(self, status: int, line: bytes, fields: bytes) -> None:
        """A 1xx says nothing that is compared."""

    def switch_protocols(
        self, connection: UpstreamConnection, line: bytes, fields: bytes, upgrade: bytes, early: bytes
    ) -> bool:
        """A copy never asks for another protocol."""
        return False

    def whole_response(self, status: int, line: bytes, fields: bytes, body: bytes) -> None:
        """The response came in one piece; the connection is no longer this copy's."""
        self._connection = None
        self._status = status
        self._head = fields
        self.response_body(body)
        self.response_complete()

    def response_head(self, status: int, line: bytes, fields: bytes, delimited: bool) -> None:
        """The head of a response whose body follows."""
        self.response_started = True
        self._status = status
        self._head = fields

    def response_body(self, body: bytes) -> None:
        """A part of the response's body."""
        if self.done:
            return
        self._size += len(body)
        if self._size > self._lane.shadow.response_body:
            self.fail(Reason.TOO_BIG)
        else:
            self._body.append(body)

    def flush(self) -> None:
        """There is no client that waits for what has come so far."""

    def response_complete(self) -> None:
        """The response is whole: hand the pair over."""
        self._connection = None
        if self.done:
            return
        self.done = True
        self._lane.hanging = False
        self._hand_over(self._head, b"".join(self._body), "")

    def _hand_over(self, head: bytes, body: bytes, missing: str) -> None:
        """Give the pair to the judge, with the response to this copy or the reason why it is `missing`."""
        recording, lane = self._recording, self._lane
        endpoint = self._pool.endpoint.url if self._pool is not None else ""
        seconds = monotonic() - self._sent_at if self._sent_at else 0.0
        other = SideResponse(endpoint, self._status, head, body, seconds, missing)
        legacy, extracted = (self._response, other) if recording.side == "legacy" else (other, self._response)
        pair = Pair(
            lane.migration.name,
            recording.route.name,
            f"{self.method} {recording.route.path}",
            self._at,
            recording.side,
            self._caller,
            self._request,
            recording.self_test,
            legacy,
            extracted,
            lane.version,
        )
        lane.hand_over(self, pair)

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
        self._lane.hanging = reason == Reason.TIMED_OUT
        self._hand_over(b"", b"", reason)

    def give_up(self, reason: str) -> None:
        """Compare nothing, for a `reason` that is not the other side's, and hang up."""
        if self.done:
            return
        self._hang_up()
        recording = self._recording
        if not recording.self_test:
            self._lane.count(recording.route, self.method, recording.side, reason)
        self._lane.finished(self)

    def _hang_up(self) -> None:
        self.done = True
        connection = self._connection
        if connection is not None:
            self._connection = None
            connection.discard()
        elif self._pool is not None:
            self._pool.forget(self)
