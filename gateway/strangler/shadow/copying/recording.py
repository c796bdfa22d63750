"""The recording of an exchange while its client is served, kept until the copy is sent.

A recording that is too long, has no end or is broken off is dropped at once, and
its memory freed. Exception: if the candidate served the client, its oversized
response is compared with legacy's as a missing one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import blake2b
from typing import TYPE_CHECKING

from strangler.model.methods import COMPARABLE
from strangler.model.migration import SideName
from strangler.model.route import Route
from strangler.proxy.exchange.excuse import Excuse
from strangler.proxy.exchange.failures import CLIENT_GONE
from strangler.proxy.exchange.sending import head_sent
from strangler.routing.split import caller_key
from strangler.shadow.comparable_requests import (
    ACCEPT_ENCODING,
    CONDITIONS,
    NAME_LENGTHS,
    PARTIAL,
    decodable,
    with_decodable_encodings,
    without_conditions,
)
from strangler.shadow.known_pairs import SelfTestOrder, labelled
from strangler.shadow.pair import Reason, SideResponse

if TYPE_CHECKING:
    from strangler.proxy.exchange.under_way import RequestUnderWay
    from strangler.proxy.upstream.upstream_pool import UpstreamPool
    from strangler.shadow.copying.lane import Lane
    from strangler.shadow.known_pairs import KnownPair

_SHADOW_LINE = b"X-Shadow: 1\r\n"
_ENDLESS = re.compile(rb"^content-type:[ \t]*text/event-stream", re.IGNORECASE | re.MULTILINE)
_OVERRIDES = frozenset((b"x-http-method-override", b"x-http-method", b"x-method-override"))
"""Fields by which some servers treat a GET as another method; such a request may not be safe."""
_LENGTHS = NAME_LENGTHS | frozenset(map(len, _OVERRIDES))
_EXCUSES = {
    Excuse.CLIENT_GONE: Reason.CLIENT_GONE,
    Excuse.REQUEST_INCOMPLETE: Reason.INCOMPLETE,
    Excuse.OTHER_SIDE: Reason.UNANSWERED,
    Excuse.SHUTDOWN: Reason.STOPPED,
    Excuse.NO_DESCRIPTORS: Reason.OVERLOAD,
}


class ExaminedFields:
    """The meaning of a request's header fields for its copy.

    `overridden` is whether a field may override the method, `conditional` and
    `recoded` whether there are fields that the copy must not have. `caller` is a
    digest of the caller, None until it is needed.
    """

    __slots__ = ("caller", "conditional", "overridden", "recoded")

    def __init__(self, lane: Lane, fields: list[tuple[bytes, bytes]]) -> None:
        self.overridden = False
        self.conditional = False
        self.recoded = False
        self.caller: int | None = None
        for name, value in fields:
            if len(name) in _LENGTHS:
                known = name.lower()
                if known in CONDITIONS:
                    self.conditional = lane.shadow.conditions == "strip"
                elif known == ACCEPT_ENCODING and not decodable(value):
                    self.recoded = True
                elif known in _OVERRIDES:
                    self.overridden = True


class ExchangeRecording:
    """Observes one exchange until its response is complete; keeps no more data once `given_up`.

    `unread` is why the candidate's response is not kept. `complete` gets the
    recording once the client has the whole response, which took `seconds`.
    """

    # Positional parameters instead of an object for them: one recording is made for each shadowed request.

    __slots__ = (
        "_body",
        "_broken",
        "_complete",
        "_exchange",
        "_head",
        "_request",
        "_request_size",
        "_size",
        "_status",
        "fields",
        "given_up",
        "lane",
        "method",
        "pool",
        "route",
        "seconds",
        "self_test",
        "side",
        "unread",
    )

    def __init__(
        self,
        lane: Lane,
        route: Route,
        method: str,
        pool: UpstreamPool,
        fields: ExaminedFields,
        *,
        side: SideName,
        complete: Callable[[ExchangeRecording], None],
    ) -> None:
        self.lane = lane
        self.route = route
        self.method = method
        self.pool = pool
        self.fields = fields
        self.side = side
        self.unread = ""
        self.self_test = ""
        self.given_up = False
        self.seconds = 0.0
        self._complete = complete
        self._exchange: RequestUnderWay | None = None
        self._request: list[bytes] = []
        self._request_size = 0
        self._status = 0
        self._head = b""
        self._body: list[bytes] = []
        self._size = 0
        self._broken = False
        lane.held += 1

    def give_up(self, reason: str) -> None:
        """Drop the recording without a comparison, for `reason`."""
        if self.given_up:
            return
        self.given_up = True
        self._exchange = None
        self._request.clear()
        self._body.clear()
        self.lane.held -= 1
        if not self.self_test:
            self.lane.count(self.route, self.method, self.side, reason)

    # Called by the exchange: see Observer

    def request_body(self, part: bytes) -> None:
        """Record a part of the request's body, in the framing in which it is sent."""
        if self.given_up:
            return
        self._request_size += len(part)
        self._request.append(part)
        if self._request_size > self.lane.shadow.request_body:
            self.give_up(Reason.TOO_BIG)

    def whole_response(self, status: int, fields: bytes, body: bytes) -> None:
        """Record a response that arrived in one piece: `fields` are whole lines."""
        self.response_head(status, fields)
        self.response_body(body)

    def response_head(self, status: int, fields: bytes) -> None:
        """Record the head of a response whose body follows."""
        self._status = status
        if self.given_up:
            return
        self._head = fields
        if b"event-stream" in fields.lower() and _ENDLESS.search(fields):
            self._leave_unread(Reason.ENDLESS)

    def response_body(self, part: bytes) -> None:
        """Record a part of the response's body, without transfer coding."""
        if self.given_up or self.unread:
            return
        self._size += len(part)
        self._body.append(part)
        if self._size > self.lane.shadow.response_body:
            self._leave_unread(Reason.TOO_BIG)

    def _leave_unread(self, reason: str) -> None:
        """Discard the response. If it is legacy's, there is no comparison; the candidate's may be its failure."""
        if self.side == "legacy":
            self.give_up(reason)
        else:
            self.unread = reason
            self._body.clear()

    def next_attempt(self) -> None:
        """Discard the previous attempt's response, which the client does not get: another attempt begins."""
        self._status = self._size = 0
        self._head = b""
        self.unread = ""
        self._body.clear()

    def excuse(self, excuse: Excuse) -> None:
        """Drop the recording: an action of the client or of this gateway is not the side's failure."""
        self.give_up(_EXCUSES[excuse])

    def own_response(self) -> None:
        """Record that the gateway responds itself, or aborts the response that has begun."""
        self._broken = True

    def ended(self, exchange: RequestUnderWay, status: int, seconds: float) -> None:
        """Record the end of the exchange after `seconds`, with the status that is logged."""
        if self.given_up:
            return
        if status == CLIENT_GONE and self._status != CLIENT_GONE:
            self.give_up(Reason.CLIENT_GONE)
        elif self._broken or not self._status:
            self.give_up(Reason.UNANSWERED)
        elif exchange.head.has_body and not exchange.request_complete:
            # The response arrived early: the rest of the client's request is unknown.
            self.give_up(Reason.INCOMPLETE)
        elif self.fields.conditional and self.method not in COMPARABLE and self._status in PARTIAL:
            # The request was not executed here, so executing it there would make the sides diverge.
            self.give_up(Reason.CONDITIONAL)
        else:
            self.seconds = seconds
            self._exchange = exchange
            self._complete(self)

    # The parts of the pair

    def copied(self) -> bytes:
        """The request as it goes to the other side."""
        exchange = self._exchange
        assert exchange is not None
        head = b"".join(head_sent(exchange, self.pool.endpoints[0] if self.pool.endpoints else None))
        if self.fields.conditional:
            head = without_conditions(head)
        if self.fields.recoded:
            head = with_decodable_encodings(head)
        return b"".join((head, _SHADOW_LINE, b"\r\n", *self._request))

    def let_go(self) -> None:
        """Break the reference cycle of exchange and recording, which would wait for a garbage collection."""
        self._exchange = None
        self._request = []
        self._body = []

    def response(self) -> SideResponse:
        """The response that the client got."""
        assert self._exchange is not None
        body = b"".join(self._body)
        return SideResponse(self._exchange.endpoint_url, self._status, self._head, body, self.seconds, self.unread)

    def caller(self) -> int:
        """Return a digest of what distinguishes the caller from others."""
        caller = self.fields.caller
        if caller is None:
            exchange = self._exchange
            assert exchange is not None
            key = caller_key(self.lane.migration, exchange, exchange.identity)
            digest = blake2b(key.encode("utf-8", "surrogateescape"), digest_size=8).digest()
            caller = self.fields.caller = int.from_bytes(digest)
        return caller


class KnownRecording(ExchangeRecording):
    """Replaces the recording for a known pair of a self-test, which has no client."""

    __slots__ = ("_known", "_legacy")

    def __init__(
        self, lane: Lane, known: KnownPair, order: SelfTestOrder, complete: Callable[[ExchangeRecording], None]
    ) -> None:
        assert lane.route is not None
        pool = lane.self_test_pool(order.candidate)
        super().__init__(lane, lane.route, "GET", pool, ExaminedFields(lane, []), side="legacy", complete=complete)
        self.self_test = labelled(order.ticket, known.kind)
        self._known = known
        self._legacy = order.legacy
        self.whole_response(*known.legacy)

    def copied(self) -> bytes:
        """The request as it goes to the other side."""
        return self._known.request

    def response(self) -> SideResponse:
        """Legacy's response."""
        return SideResponse(self._legacy, *self._known.legacy, self.seconds)

    def caller(self) -> int:
        """Do nothing: a known pair has no client."""
        return 0
