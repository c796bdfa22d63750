"""What passes of an exchange while its caller is served, kept until the copy is sent.

An exchange becomes a recorded one by getting another class, whose methods look
on and hand over to those of Exchange, so that exchanges of other routes pay
nothing for it. What is too long, has no end or is broken off is given up at
once, and the memory with it: except where the candidate served the caller,
whose oversized response is compared with legacy's as one that is missing.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from strangler.model.methods import SAFE_METHODS
from strangler.model.migration import SideName
from strangler.model.route import Route
from strangler.proxy.exchange.exchange import CLIENT_GONE, Exchange
from strangler.proxy.upstream.upstream_pool import UpstreamPool
from strangler.routing.split import caller_key
from strangler.shadow.known_pairs import KnownPair
from strangler.shadow.pair import Reason, SideResponse
from strangler.shadow.whole import PARTIAL, with_decodable_encodings, without_conditions

if TYPE_CHECKING:
    from strangler.resilience.retry import Cause
    from strangler.routing.decide import Decision
    from strangler.shadow.copying.lane import Lane
    from strangler.shadow.copying.mirror import Mirror

SHADOW_LINE = b"X-Shadow: 1\r\n"

_ENDLESS = re.compile(rb"^content-type:[ \t]*text/event-stream", re.IGNORECASE | re.MULTILINE)


class Recording:
    """What passes of one exchange, until its response is complete; nothing more once `given_up`.

    `conditional` and `recoded` tell that the request has fields that its copy
    is not to have, `unread` why the candidate's response is not kept.
    """

    __slots__ = (
        "answered_in",
        "body",
        "broken",
        "conditional",
        "given_up",
        "head",
        "lane",
        "method",
        "mirror",
        "pool",
        "recoded",
        "request",
        "request_size",
        "route",
        "self_test",
        "side",
        "size",
        "status",
        "unread",
    )

    def __init__(
        self, mirror: Mirror, lane: Lane, route: Route, method: str, side: SideName, pool: UpstreamPool
    ) -> None:
        self.mirror = mirror
        self.lane = lane
        self.route = route
        self.method = method
        self.side = side
        self.pool = pool
        self.request: list[bytes] = []
        self.request_size = 0
        self.status = 0
        self.head = b""
        self.body: list[bytes] = []
        self.size = 0
        self.broken = False
        self.conditional = False
        self.recoded = False
        self.unread = ""
        self.self_test = ""
        self.given_up = False
        self.answered_in = 0.0
        lane.held += 1

    def request_body(self, body: bytes) -> None:
        """A part of the request's body, in the framing in which it is sent."""
        if self.given_up:
            return
        self.request_size += len(body)
        self.request.append(body)
        if self.request_size > self.lane.shadow.request_body:
            self.give_up(Reason.TOO_BIG)

    def answer_head(self, status: int, fields: bytes) -> None:
        """The head of the answer: `fields` are whole lines."""
        self.status = status
        if self.given_up:
            return
        self.head = fields
        if _ENDLESS.search(fields):
            self._leave_unread(Reason.ENDLESS)

    def answer_body(self, body: bytes) -> None:
        """A part of the response's body."""
        if self.given_up or self.unread:
            return
        self.size += len(body)
        self.body.append(body)
        if self.size > self.lane.shadow.response_body:
            self._leave_unread(Reason.TOO_BIG)

    def _leave_unread(self, reason: str) -> None:
        """Keep nothing of the response. That of legacy ends the comparison; the candidate's may be its failure."""
        if self.side == "legacy":
            self.give_up(reason)
        else:
            self.unread = reason
            self.body.clear()

    def forget_answer(self) -> None:
        """Another attempt is made: what came of the one before is not what the caller gets."""
        self.status = self.size = 0
        self.head = b""
        self.unread = ""
        self.body.clear()

    def give_up(self, reason: str) -> None:
        """Compare nothing, for `reason`."""
        if self.given_up:
            return
        self.given_up = True
        self.request.clear()
        self.body.clear()
        self.lane.held -= 1
        if not self.self_test:
            self.mirror.count(self.lane, self.route, self.method, self.side, reason)


class RecordedExchange(Exchange):
    """An exchange whose two messages are recorded as they pass."""

    __slots__ = ()

    recording: Recording

    def begin(self, recording: Recording) -> None:
        """Record from now on, and what has come of the body already."""
        self.recording = recording
        for part in self._body:
            recording.request_body(part)

    def _send_body(self, data: bytes) -> None:
        self.recording.request_body(data)
        super()._send_body(data)

    def whole_response(self, status: int, line: bytes, fields: bytes, body: bytes) -> None:
        self.recording.answer_head(status, fields)
        self.recording.answer_body(body)
        super().whole_response(status, line, fields, body)

    def response_head(self, status: int, line: bytes, fields: bytes, delimited: bool) -> None:
        self.recording.answer_head(status, fields)
        super().response_head(status, line, fields, delimited)

    def response_body(self, body: bytes) -> None:
        self.recording.answer_body(body)
        super().response_body(body)

    def send_to(self, upstream: UpstreamPool) -> None:
        self.recording.forget_answer()
        super().send_to(upstream)

    def redirect(self, decision: Decision) -> None:
        # The other side answers now, so there is nothing to compare its answer with.
        self.recording.give_up(Reason.UNANSWERED)
        super().redirect(decision)

    # What the client or this gateway does is not the side's failure.

    def give_up(self, status: int, detail: str) -> None:
        self.recording.give_up(Reason.INCOMPLETE)
        super().give_up(status, detail)

    def drained(self) -> None:
        self.recording.give_up(Reason.STOPPED)
        super().drained()

    def out_of_descriptors(self) -> None:
        self.recording.give_up(Reason.OVERLOAD)
        super().out_of_descriptors()

    def upstream_failed(self, cause: Cause, status: int, detail: str, *, blame: bool = True) -> None:
        if not blame:
            self.recording.give_up(Reason.CLIENT_GONE)
        super().upstream_failed(cause, status, detail, blame=blame)

    def answer_instead(self, status: int, fields: bytes, body: bytes) -> None:
        self.recording.broken = True
        super().answer_instead(status, fields, body)

    def fail(self, status: int, detail: str, retry_after: float | None = None) -> None:
        self.recording.broken = True
        super().fail(status, detail, retry_after)

    def _record(self, status: int, count: bool = True, write: bool = True) -> None:
        super()._record(status, count, write)
        recording = self.recording
        if status == CLIENT_GONE and recording.status != CLIENT_GONE:
            recording.give_up(Reason.CLIENT_GONE)
        elif recording.broken or not recording.status:
            recording.give_up(Reason.UNANSWERED)
        elif self.head.has_body and not self.request_complete:
            # Answered early: what else the client would have sent, nobody knows.
            recording.give_up(Reason.INCOMPLETE)
        elif recording.conditional and recording.method not in SAFE_METHODS and recording.status in PARTIAL:
            # It was not carried out here, so that carrying it out there would set the two apart.
            recording.give_up(Reason.CONDITIONAL)
        elif not recording.given_up:
            recording.mirror.answered(self, recording)

    def copied(self) -> bytes:
        """The request as it goes to the other side."""
        recording = self.recording
        head = b"".join(self.head_sent(next(iter(recording.pool.endpoints), None)))
        if recording.conditional:
            head = without_conditions(head)
        if recording.recoded:
            head = with_decodable_encodings(head)
        return b"".join((head, SHADOW_LINE, b"\r\n", *recording.request))

    def answer(self, seconds: float) -> SideResponse:
        """What the caller got."""
        recording = self.recording
        assert self._pool is not None
        url = self._pool.endpoint.url
        body = b"".join(recording.body)
        return SideResponse(url, recording.status, recording.head, body, seconds, recording.unread)

    def caller(self) -> int:
        """A digest of what tells the caller from others."""
        decision = self._decision
        assert decision is not None
        key = caller_key(self.recording.lane.migration, self, decision.identity)
        return int.from_bytes(blake2b(key.encode("utf-8", "surrogateescape"), digest_size=8).digest())


class Copied(Protocol):
    """What a copy is made of."""

    started: float

    def copied(self) -> bytes:
        """The request as it goes to the other side."""
        ...

    def answer(self, seconds: float) -> SideResponse:
        """What the caller got."""
        ...

    def caller(self) -> int:
        """A digest of what tells the caller from others."""
        ...


class KnownExchange:
    """Stands for the exchange of a known pair, which no client asked for; legacy's response came from `legacy`."""

    def __init__(self, known: KnownPair, legacy: str) -> None:
        self.started = monotonic()
        self._known = known
        self._legacy = legacy

    def copied(self) -> bytes:
        """The request as it goes to the other side."""
        return self._known.request

    def answer(self, seconds: float) -> SideResponse:
        """Legacy's response."""
        return SideResponse(self._legacy, *self._known.legacy, seconds)

    def caller(self) -> int:
        """There is none."""
        return 0
