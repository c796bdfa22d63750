"""A request and the response that its client gets: the half of an exchange that faces the client.

What is written here, whoever it comes from, has the gateway's own fields, is
framed for this client, and is counted and logged once it is over.
"""

from __future__ import annotations

from math import ceil
from time import monotonic
from typing import TYPE_CHECKING, cast

from orjson import dumps

from strangler.observe.access_log import caller_text, quoted, without_tokens
from strangler.proxy.exchange.admission import make_room
from strangler.proxy.exchange.attempts import Attempts
from strangler.proxy.exchange.transforms import changed_response
from strangler.proxy.exchange.visitor_cookie import made_private, may_be_shared, visitor_cookie
from strangler.proxy.http.headers import VIA_LINE
from strangler.proxy.http.problem_responses import problem
from strangler.proxy.http.status_lines import STATUS_LINES
from strangler.routing.cors import response_fields
from strangler.routing.decide import Decision, Refusal
from strangler.routing.request import Request

if TYPE_CHECKING:
    from strangler.auth.identity import Identity
    from strangler.model.upstream import Timeouts
    from strangler.proxy.client.connection import ClientConnection
    from strangler.proxy.exchange.exchange import Exchange
    from strangler.proxy.exchange.known_heads import Remembered
    from strangler.proxy.exchange.observer import Observer
    from strangler.proxy.exchange.request_head import RequestHead
    from strangler.proxy.upstream.connection import UpstreamConnection
    from strangler.proxy.upstream.endpoint_pool import EndpointPool
    from strangler.resilience.concurrency import ConcurrencyLimit

NEVER = float("inf")

BY_LENGTH, IN_CHUNKS, UNTIL_CLOSE = range(3)
"""What tells a client where the body of a response ends."""

AFTER_REQUEST_ID = b"\r\n" + VIA_LINE


class AnsweredRequest(Request):
    """A request, and what has become of it so far; how it is sent on is the business of Exchange."""

    __slots__ = (
        "_body",
        "_body_bytes",
        "_body_limit",
        "_body_received",
        "_decision",
        "_drawn",
        "_framing",
        "_pool",
        "attempts",
        "bytes_out",
        "client",
        "connection",
        "done",
        "ends",
        "entered",
        "head",
        "keep_alive",
        "line",
        "observer",
        "pending_out",
        "rate_limit_fields",
        "refetched",
        "remembered",
        "request_complete",
        "request_id",
        "response_started",
        "started",
        "status",
        "timeouts",
    )

    entered: ConcurrencyLimit[Attempts] | None
    """The concurrency limit that it runs under, where no guard of `attempts` sees to that."""

    ends: float
    """When the whole exchange has to be over, by the loop's time."""

    timeouts: Timeouts
    """Of the newest attempt; there are none before the first."""

    def __init__(
        self, client: ClientConnection, head: RequestHead, line: bytes, method: str, path: str, query: str
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.host = head.host or ""
        self.headers = head.fields
        self.peer = head.client or client.peer
        self.certificate = client.certificate
        self.client = client
        self.head = head
        self.line = line
        client.requests_left = left = client.requests_left - 1
        self.keep_alive = head.keep_alive and left > 0
        self.request_complete = False
        self.response_started = False
        self.done = False
        self.status = 0
        self.bytes_out = 0
        self.connection: UpstreamConnection | None = None
        self.pending_out: list[bytes] = []
        self.started = monotonic()
        self._drawn = drawn = next(client.plane.drawn)
        self.request_id = head.request_id or drawn[:32]
        self._body: list[bytes] = []
        if head.has_body:
            self._body_bytes = 0
            self._body_limit = NEVER
            self._body_received = 0
        self._framing = BY_LENGTH
        self._decision: Decision | None = None
        self.remembered: Remembered | None = None
        self._pool: EndpointPool | None = None
        self.refetched = False
        self.attempts: Attempts | None = None
        self.observer: Observer | None = None
        self.entered: ConcurrencyLimit[Attempts] | None = None
        self.ends = NEVER
        self.rate_limit_fields = b""

    # What was decided

    @property
    def decision(self) -> Decision:
        """What was decided; asked once it was."""
        assert self._decision is not None
        return self._decision

    @property
    def decided(self) -> bool:
        """Whether it was."""
        return self._decision is not None

    @property
    def identity(self) -> Identity | None:
        """Who is calling."""
        return self.decision.identity

    @property
    def endpoint_url(self) -> str:
        """The endpoint of the newest attempt."""
        return self._pool.endpoint.url if self._pool is not None else ""

    # An upstream's answer

    def interim_response(self, status: int, line: bytes, fields: bytes) -> None:
        """Pass a 1xx on; HTTP/1.0 clients know none (RFC 9110 section 15.2)."""
        if self.head.minor >= 1:
            self.client.transport.write(b"%b%b\r\n" % (line, fields))

    def _head_for_client(self, status: int, line: bytes, fields: bytes) -> list[bytes]:
        """The parts of the response's head: the gateway's own fields come after `fields`."""
        self.status = status
        self.response_started = True
        decision = self._decision
        if decision is not None and decision.changes is not None:
            fields = changed_response(decision.changes, fields, self)
        if decision is not None and decision.choice is not None and decision.choice.visitor is not None:
            fields = self._with_visitor_cookie(decision.choice.visitor, fields)
        out = [line, fields, b"X-Request-Id: ", self.request_id, AFTER_REQUEST_ID]
        out.append(self.rate_limit_fields)
        if self.client.plane.draining:
            self.keep_alive = False
        if not self.keep_alive:
            out.append(b"Connection: close\r\n")
        elif self.head.minor == 0:
            out.append(b"Connection: keep-alive\r\n")
        out.append(b"\r\n")
        return out

    @property
    def is_secure(self) -> bool:
        """Whether the client asked over https, as a trusted proxy tells or else its connection does."""
        forwarding = self.head.forwarding
        return ((forwarding.scheme if forwarding is not None else "") or self.client.scheme) == "https"

    def _with_visitor_cookie(self, visitor: str, fields: bytes) -> bytes:
        """`fields` with the cookie that keeps a new visitor on its side, unless a cache would share it."""
        settings = self.client.plane.snapshot.visitor_cookie
        if may_be_shared(self.method, fields, authorized=bool(self.head.credentials)):
            if settings.shared_caches == "skip":
                self.client.plane.counters.event("visitor_cookies_left_out")
                return fields
            fields = made_private(fields)
        return fields + visitor_cookie(settings, visitor, secure=self.is_secure)

    def response_body(self, body: bytes) -> None:
        """A part of the response's body came in."""
        self.bytes_out += len(body)
        if self.observer is not None:
            self.observer.response_body(body)
        if self.attempts is not None:
            self.attempts.copy_body(body)
        if self._framing == IN_CHUNKS:
            self.pending_out += (b"%x\r\n" % len(body), body, b"\r\n")
        else:
            self.pending_out.append(body)

    def flush(self) -> None:
        """Write to the client what has gathered while one piece of input was parsed."""
        out = self.pending_out
        self.pending_out = []
        client = self.client
        client.transport.write(b"".join(out) if len(out) > 1 else out[0])
        client.deadline = client.plane.now + self.timeouts.idle

    def _switch(self, line: bytes, fields: bytes, upgrade: bytes) -> None:
        """Write the head of a 101 that switches to `upgrade`."""
        self.status = 101
        self.response_started = True
        out = [line, fields, b"Connection: Upgrade\r\nUpgrade: ", upgrade]
        out += (b"\r\nX-Request-Id: ", self.request_id, AFTER_REQUEST_ID)
        choice = None if self._decision is None else self._decision.choice
        if choice is not None and choice.visitor is not None:
            settings = self.client.plane.snapshot.visitor_cookie
            out.append(visitor_cookie(settings, choice.visitor, secure=self.is_secure))
        out.append(b"\r\n")
        self.client.transport.write(b"".join(out))
        # The handshake's time is what a request's is; how long a tunnel lives says nothing of the upstream.
        self._record(101, write=False)

    # The gateway's own answers

    def _answer(self, refusal: Refusal, retry_after: float | None = None) -> None:
        self._begin_answer(refusal.status)
        route = None if self._decision is None else self._decision.route
        fields = self.rate_limit_fields
        if route is not None and route.cors is not None:
            fields += response_fields(route.cors, self)
        data = problem(
            refusal,
            self.request_id,
            close=not self.keep_alive,
            head_only=self.method == "HEAD",
            retry_after=ceil(retry_after or 1) if refusal.status in (429, 503) else None,
            fields=fields,
        )
        self.client.transport.write(data)
        self._finish()

    def answer_instead(self, status: int, fields: bytes, body: bytes) -> None:
        """Answer with a response of the gateway's own; `fields` are whole lines, Content-Length among them."""
        if self.observer is not None:
            self.observer.own_response()
        self._begin_answer(status)
        out = self._head_for_client(status, STATUS_LINES[status], fields)
        if self.method != "HEAD":
            self.bytes_out = len(body)
            out.append(body)
        self.client.transport.write(b"".join(out))
        self._finish()

    def _begin_answer(self, status: int) -> None:
        self.pending_out = []
        self.bytes_out = 0
        if not self.request_complete and self.head.has_body:
            self.keep_alive = False
        if self.client.plane.draining:
            self.keep_alive = False
        self.status = status
        self.response_started = True

    # The end

    def _finish(self) -> None:
        if self.done:
            return
        self.done = True
        if self.attempts is not None:
            self.attempts.over(whole=True)
        elif self.entered is not None:
            limit, self.entered = self.entered, None
            make_room(limit)
        self._record(self.status)
        self.client.exchange_finished(self)

    def broken_off(self, lost: int) -> None:
        """The client's connection is gone after a response that was cut short, `lost` bytes of which never arrived."""
        self.bytes_out = max(0, self.bytes_out - lost)
        self._record(self.status)

    def tunnel_over(self, bytes_out: int) -> None:
        """The tunnel is closed, after the upstream has sent `bytes_out`."""
        self.bytes_out = bytes_out
        self._record(101, count=False)

    def _record(self, status: int, count: bool = True, write: bool = True) -> None:
        plane = self.client.plane
        seconds = monotonic() - self.started
        decision = self._decision
        if decision is None:
            route = side = upstream = ""
        else:
            route = decision.route.name if decision.route is not None else ""
            side = decision.side or ""
            upstream = decision.upstream or ""
        if count:
            plane.counters.request((route, side, upstream, status), seconds, self.bytes_out)
        log = plane.access_log
        if log is not None and write:
            remembered = self.remembered
            if remembered is not None:
                caller = remembered.logged
            else:
                identity = None if decision is None else decision.identity
                caller = caller_text(self.peer, self.host, side, upstream, identity)
            endpoint = '""' if self._pool is None else self._pool.quoted_url
            path = self.path if "eyJ" not in self.path else without_tokens(self.path)
            noted = "" if self.attempts is None else self.attempts.logged()
            log.write(
                f'{{"time":"{plane.timestamp}","request_id":"{self.request_id.decode()}","method":"{self.method}"'
                f',"path":{dumps(path).decode()},"status":{status},"route":{quoted(route)}'
                f',"endpoint":{endpoint}'
                f',"bytes":{self.bytes_out},"ms":{seconds * 1000:.3f}{noted}{caller}}}\n'
            )
        if self.observer is not None:
            self.observer.ended(cast("Exchange", self), status, seconds)
