"""A copy of a request, sent to the other side: it has no client that waits for it."""

from __future__ import annotations

from time import monotonic, time
from typing import TYPE_CHECKING

from strangler.proxy.upstream.endpoint_pool import LARGE_BODY, EndpointPool
from strangler.proxy.upstream.request_without_client import RequestWithoutClient
from strangler.shadow.pair import Pair, Reason, SideResponse

if TYPE_CHECKING:
    from strangler.proxy.upstream.connection import UpstreamConnection
    from strangler.resilience.retry import Cause
    from strangler.shadow.copying.recording import ExchangeRecording


class Copy(RequestWithoutClient):
    """A copy of a request to the other side, and its response."""

    __slots__ = (
        "_at",
        "_body",
        "_caller",
        "_head",
        "_lane",
        "_recording",
        "_refused",
        "_request",
        "_response",
        "_sent_at",
        "_size",
        "_status",
        "deadline",
    )

    def __init__(self, recording: ExchangeRecording) -> None:
        super().__init__(recording.method, recording.pool.upstream.timeouts)
        self.deadline = 0.0
        self._recording = recording
        self._lane = recording.lane
        self._request = recording.copied()
        self._response = recording.response()
        self._caller = recording.caller()
        recording.let_go()
        self._at = time()
        self._refused: set[EndpointPool] | None = None
        self._sent_at = 0.0
        self._status = 0
        self._head = b""
        self._body: list[bytes] = []
        self._size = 0

    def start(self, now: float) -> None:
        """Send the copy to the other side; `now` is the loop's time."""
        self._sent_at = monotonic()
        self.deadline = now + self._lane.shadow.timeout
        self._pool = pool = self._recording.pool.next(None)
        pool.request_proven(self)

    # Called by connections and pools

    def connected(self, connection: UpstreamConnection) -> None:
        """Write the request to `connection`."""
        self._connection = connection
        connection.exchange = self
        self._sent_at = monotonic()
        connection.carried_body = len(self._request) > LARGE_BODY
        connection.transport.write(self._request)

    def out_of_descriptors(self) -> None:
        """Drop the copy: the gateway itself can't open a connection, which is no evidence about either side."""
        self.give_up(Reason.OVERLOAD)

    def connect_failed(self, status: int, detail: str) -> None:
        """Try another endpoint after an unreachable one, like client requests do; pause the lane if there is none."""
        assert self._pool is not None
        self._refused = refused = {*(self._refused or ()), self._pool}
        another = next((pool for pool in self._recording.pool.endpoints if pool not in refused), None)
        if another is not None:
            self._pool = another
            another.request_proven(self)
            return
        self._lane.rest()
        self.fail(Reason.UNREACHABLE)

    def whole_response(self, status: int, line: bytes, fields: bytes, body: bytes) -> None:
        """Take a response that arrived in one piece; the connection no longer belongs to this copy."""
        self._connection = None
        self._status = status
        self._head = fields
        self.response_body(body)
        self.response_complete()

    def response_head(self, status: int, line: bytes, fields: bytes, delimited: bool) -> None:
        """Take the head of a response whose body follows."""
        self.response_started = True
        self._status = status
        self._head = fields

    def response_body(self, body: bytes) -> None:
        """Take a part of the response's body."""
        if self.done:
            return
        self._size += len(body)
        if self._size > self._lane.shadow.response_body:
            self.fail(Reason.TOO_BIG)
        else:
            self._body.append(body)

    def response_complete(self) -> None:
        """Deliver the pair: the response is complete."""
        self._connection = None
        if self.done:
            return
        self.done = True
        self._lane.hanging = False
        self._hand_over(self._head, b"".join(self._body), "")

    def _hand_over(self, head: bytes, body: bytes, missing: str) -> None:
        """Give the pair to the judge, with this copy's response or the reason why it is `missing`."""
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
        """Fail the copy: the connection ended early. It is not sent again, or a fault would have to happen twice."""
        self._connection = None
        self.fail(Reason.BROKE_OFF)

    def upstream_failed(self, cause: Cause, status: int, detail: str, *, blame: bool = True) -> None:
        """Fail the copy: its response is malformed."""
        self.fail(Reason.MALFORMED)

    def busy(self, detail: str) -> None:
        """Drop the copy: no connection is free, which is this gateway's limit and not the other side's failure."""
        self.give_up(Reason.OVERLOAD)

    def fail(self, reason: str) -> None:
        """Record that there is no whole response, for `reason`: the judge decides what that means."""
        if self.done:
            return
        self._hang_up()
        self._lane.hanging = reason == Reason.TIMED_OUT
        self._hand_over(b"", b"", reason)

    def give_up(self, reason: str) -> None:
        """Drop the copy without a comparison, for a `reason` that is not the other side's fault, and close."""
        if self.done:
            return
        self._hang_up()
        recording = self._recording
        if not recording.self_test:
            self._lane.count(recording.route, self.method, recording.side, reason)
        self._lane.finished(self)
