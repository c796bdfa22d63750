"""One request and its response on their way through the proxy.

The client side and the upstream side call in; an exchange knows where it
stands and what may still happen:

- before a response byte reached the client it may be refused, have another
  attempt made, or be given another response where that is safe (attempts.py,
  recovery.py);
- after that it either ends cleanly or is broken off visibly, so that a client
  never takes half a response for a whole one.

It has a head, the body on its way to the upstream where there is one
(request_body.py), attempts where something is special about them
(attempts.py), and an observer where it is shadowed (under_way.py).

The hot path, for a known head and a response in one piece, creates no object
but the exchange itself (decisions 0003 and 0027):

 1. `start_known`: find the route, take the decision that was remembered
 2. `_first_attempt`: begin what the route asks for, choose an endpoint
 3. `connected`: write the request by one format
 4. `whole_response`: write the response by one format
 5. `_finish`, `_record`: count, log, let the client connection go on
"""

from __future__ import annotations

from time import monotonic, time
from typing import TYPE_CHECKING

from orjson import dumps

from strangler.auth.verify import UnknownKey
from strangler.model.methods import SAFE
from strangler.observe.access_log import caller_text, quoted, without_tokens
from strangler.proxy.exchange.admission import enter_lightly, make_room
from strangler.proxy.exchange.attempts import Attempts, is_repeated
from strangler.proxy.exchange.authentication import identify
from strangler.proxy.exchange.excuse import Excuse
from strangler.proxy.exchange.known_heads import NO_ROUTE, KnownFields, fields_sent
from strangler.proxy.exchange.recovery import is_failure
from strangler.proxy.exchange.request_body import RequestBody
from strangler.proxy.exchange.response import (
    AFTER_REQUEST_ID,
    BY_LENGTH,
    IN_CHUNKS,
    UNTIL_CLOSE,
    begin_own,
    head_for_client,
    head_of_switch,
    refusing_response,
)
from strangler.proxy.exchange.transforms import changed_line
from strangler.proxy.exchange.tunnel import Tunnel
from strangler.proxy.exchange.under_way import RequestUnderWay
from strangler.proxy.exchange.upgrade import is_offered, upgrade_fields
from strangler.proxy.http.status_lines import STATUS_LINES
from strangler.proxy.upstream.endpoint_pool import LARGE_BODY
from strangler.resilience.retry import Cause, Failure
from strangler.routing.decide import Decision, Refusal, decide, find_route
from strangler.routing.rewrite import is_cut_alike

if TYPE_CHECKING:
    from strangler.auth.identity import Identity
    from strangler.model.auth import AuthRequirement
    from strangler.model.route import Route
    from strangler.proxy.exchange.request_head import RequestHead
    from strangler.proxy.exchange.under_way import Client, Observer
    from strangler.proxy.upstream.connection import UpstreamConnection
    from strangler.proxy.upstream.endpoint_pool import EndpointPool
    from strangler.proxy.upstream.upstream_pool import UpstreamPool
    from strangler.routing.request import Request

NEVER = float("inf")
CLIENT_GONE = 499
NO_DESCRIPTORS_LEFT = "The gateway can't open another connection: it has no file descriptors left."
WITHOUT_CLOSE_NOTIFY = (
    "The upstream ended its TLS connection without close_notify, so its response may have been cut short."
)


class Exchange(RequestUnderWay):
    """A request, from its complete head to the last byte of the response.

    One class, wider than others, because two sides call it and a part of its
    own for each of them would be an object more per request (decision 0027).
    """

    __slots__ = (
        "_body",
        "_decision",
        "_drawn",
        "_framing",
        "_gathered",
        "_observer",
        "_pool",
        "_started",
        "attempts",
    )

    def __init__(self, client: Client, head: RequestHead, line: bytes, method: str, path: str, query: str) -> None:
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
        self.refetched = False
        self.status = 0
        self.bytes_out = 0
        self.rate_limit_fields = b""
        self.connection: UpstreamConnection | None = None
        self.entered = None
        self.remembered = None
        self.ends = NEVER
        self.attempts: Attempts | None = None
        self._started = monotonic()
        self._drawn = drawn = next(client.plane.drawn)
        self.request_id = head.request_id or drawn[:32]
        self._body = RequestBody() if head.has_body else None
        self._decision: Decision | None = None
        self._pool: EndpointPool | None = None
        self._gathered: list[bytes] | None = None
        self._observer: Observer | None = None

    def __repr__(self) -> str:
        where = f" at {self.endpoint_url}" if self._pool is not None else ""
        stands = "over" if self.done else "responding" if self.response_started else "waiting"
        return f"<Exchange {self.method} {self.path}{where} {stands}{f' {self.status}' if self.status else ''}>"

    # What was decided

    @property
    def decision(self) -> Decision:
        """What was decided; asked once it was."""
        assert self._decision is not None
        return self._decision

    @property
    def decided(self) -> bool:
        """Whether it is decided where the request goes."""
        return self._decision is not None

    @property
    def identity(self) -> Identity | None:
        """Who is calling; asked once it was decided."""
        return self.decision.identity

    @property
    def endpoint_url(self) -> str:
        """The endpoint of the newest attempt."""
        return self._pool.endpoint.url if self._pool is not None else ""

    # 1. Deciding

    def start_known(self, known: KnownFields) -> None:
        """Start a request whose fields are `known`: what was decided for them before holds again (decision 0003)."""
        route = find_route(self.client.plane.snapshot, self)
        if not isinstance(route, Refusal):
            remembered = known.decided.get(NO_ROUTE if route is None else route.alike)
            if remembered is not None:
                before = remembered.decision
                identity = before.identity
                if identity is None or identity.expires_at > time():
                    changes = before.changes
                    if changes is not None and changes.rewrite is not None and not is_cut_alike(self.path):
                        self.start()
                        return
                    self._decision = Decision(
                        route, before.upstream, before.side, identity, before.choice, None, changes
                    )
                    self.remembered = remembered
                    self._first_attempt(route, remembered.pool)
                    return
        self.start(known)

    def start(self, known: KnownFields | None = None) -> None:
        """Decide, have `known` remember that, and send the request on its way or respond to it."""
        client = self.client
        plane = client.plane
        try:
            decision = self._decision = decide(plane.snapshot, self, self._identify)
        except UnknownKey as unknown:
            self.refetched = True
            client.deadline = plane.now + plane.refetch_deadline
            plane.refetch(unknown.provider, self)
            return
        if decision.refusal is not None:
            self._refuse(decision.refusal)
            return
        if decision.preflight is not None:
            self.respond_instead(204, decision.preflight, b"")
            return
        if self._body is not None and self._is_too_large(self._body, decision.route):
            return
        assert decision.upstream is not None
        if known is not None:
            # A recovery that has another side respond does that for this request alone.
            known.remember(decision, client)
        self._first_attempt(decision.route, plane.pools[decision.upstream])

    def _identify(self, request: Request, requirement: AuthRequirement) -> Identity | Refusal | None:
        return identify(self, requirement)

    def _is_too_large(self, body: RequestBody, route: Route | None) -> bool:
        """Refuse a body that is larger than `route` takes as far as it is known; whether it is."""
        limit = None if route is None else route.body_bytes
        body.limit = limit = limit or self.client.plane.snapshot.limits.body_bytes
        length = self.head.content_length
        # A number of more digits than any limit's need not be worked out.
        if (int(length[:20]) if length is not None else body.received) <= limit:
            return False
        self.give_up(413, f"The request's body is larger than {limit} bytes.")
        return True

    # What the rate limits of the route say

    @property
    def request(self) -> Request:
        """The request, for those that need to know no more."""
        return self

    def let_in(self, upstream: UpstreamPool, fields: bytes) -> None:
        """The rate limits let the request in, which `fields` tell the client."""
        self.rate_limit_fields = fields
        self._first_attempt(self.decision.route, upstream)

    def turn_away(self, refusal: Refusal, retry_after: float, fields: bytes = b"") -> None:
        """The rate limits do not let the request in before `retry_after` seconds from now."""
        self.rate_limit_fields = fields
        self._refuse(refusal, retry_after)

    # 2. Choosing an endpoint

    def _first_attempt(self, route: Route | None, upstream: UpstreamPool) -> None:
        client = self.client
        plane = client.plane
        timeouts = upstream.upstream.timeouts
        if route is not None and not route.plain:
            if route.rate_limits and not self.rate_limit_fields:
                plane.rate_limiter.check(self, route, upstream)
                return
            if route.timeouts:
                timeouts = route.timeouts.get(upstream.upstream.name, timeouts)
            if route.shadowed and plane.mirror is not None:
                self._watch(plane.mirror.begin(self, self.decision))
        self.timeouts = timeouts
        if timeouts.total is not None:
            self.ends = plane.now + timeouts.total
        if (
            upstream.special
            or (route is not None and route.careful)
            or (self._body is not None and is_repeated(route, self.method))
            or (upstream.guarded and not enter_lightly(self, upstream))
        ):
            self.attempts = attempts = Attempts(self)
            attempts.prepare(route, upstream)
            return
        self._pool = pool = upstream.next(upstream.key_of(self, self.identity) if upstream.keyed else None)
        client.deadline = plane.now + timeouts.connect + 1.0
        # As `repeatable`, without a call.
        if self._body is None and self.method in SAFE:
            pool.request(self)
        else:
            pool.request_proven(self)

    def send_to(self, upstream: UpstreamPool) -> None:
        """Send the request to an endpoint of `upstream`, in an attempt that `attempts` makes."""
        if self._observer is not None:
            self._observer.next_attempt()
        route = self.decision.route
        timeouts = upstream.upstream.timeouts
        if route is not None and route.timeouts:
            timeouts = route.timeouts.get(upstream.upstream.name, timeouts)
        self.timeouts = timeouts
        assert self.attempts is not None
        self._pool = pool = self.attempts.next(upstream)
        self.client.deadline = self.client.plane.now + timeouts.connect + 1.0
        if self.repeatable:
            pool.request(self)
        else:
            pool.request_proven(self)

    def redirect(self, decision: Decision) -> None:
        """Have the next attempt go where `decision` says."""
        if self._observer is not None:
            self._observer.excuse(Excuse.OTHER_SIDE)
        self._decision = decision
        self.remembered = None

    @property
    def repeatable(self) -> bool:
        """Whether it is sent once more where its connection turns out to have been closed while it was idle."""
        return self._body is None and self.method in SAFE

    def waits_for(self, pool: EndpointPool) -> bool:
        """Whether a connection of `pool` is still wanted."""
        return not self.done and self.connection is None and self._pool is pool

    def move_to(self, pool: EndpointPool) -> None:
        """Another endpoint of the same name accepted a connection before the chosen one did."""
        self._pool = pool

    def _watch(self, observer: Observer | None) -> None:
        """Have `observer` look on from now, and see what has come of the request's body already."""
        self._observer = observer
        if observer is not None and self._body is not None:
            for part in self._body.parts:
                observer.request_body(part)

    # 3. Towards the upstream

    def connected(self, connection: UpstreamConnection) -> None:
        """Write the request, as far as it is there, to `connection`."""
        self.connection = connection
        connection.exchange = self
        client = self.client
        remembered = self.remembered
        if remembered is not None and remembered.ids_alone:
            # Most requests; where fields are remembered, there is no body.
            request_id = self.request_id
            trace = self._drawn[32:]
            fields = remembered.fields
            connection.transport.write(
                b"%b%bX-Request-Id: %b\r\ntraceparent: 00-%b-%b-01\r\n\r\n"
                % (self.line, fields, request_id, request_id, trace)
            )
            client.deadline = client.plane.now + self.timeouts.response
            return
        parts = self.head_sent()
        parts.append(b"\r\n")
        body = self._body
        if body is not None:
            length = self.head.content_length
            connection.carried_body = length is None or int(length[:20]) >= LARGE_BODY
            if body.parts:
                held = body.take()
                parts += held
                if self.attempts is not None:
                    self.attempts.keep_body(held)
                client.resume_reading()
        connection.transport.write(b"".join(parts))
        silence = self.timeouts.response if self.request_complete else self._longest_silence()
        client.deadline = client.plane.now + silence

    def _longest_silence(self) -> float:
        """Seconds that the request's body may stop for."""
        return min(self.timeouts.idle, self.client.plane.snapshot.limits.body_timeout)

    def head_sent(self, pool: EndpointPool | None = None) -> list[bytes]:
        """The parts of the head as it goes to the endpoint, but for its last, empty line.

        With `pool`, as it goes to that one, of the same upstream or of another one of the route.
        """
        other, pool = pool, pool or self._pool
        assert pool is not None
        decision = self._decision
        assert decision is not None
        head = self.head
        changes = decision.changes
        remembered = self.remembered
        if other is not None and decision.route is not None and decision.route.changes is not None:
            changes = decision.route.changes_for(other.owner.upstream.name)
            remembered = None
        if remembered is not None:
            fields = remembered.fields
        else:
            fields = fields_sent(head, self.client, decision, changes)
            if head.upgrade:
                fields += upgrade_fields(head.upgrade, pool.owner.upstream)
        if changes is None or changes.rewrite is None:
            parts = [self.line]
        else:
            parts = [changed_line(changes.rewrite, self.line, self.path)]
        if not head.host or (changes is not None and changes.endpoint_host):
            parts += (b"Host: ", pool.endpoint.host_header, b"\r\n")
        parts.append(fields)
        if head.request_id is None:
            parts += (b"X-Request-Id: ", self.request_id, b"\r\n")
        if not head.has_trace:
            parts += (b"traceparent: 00-", self._drawn[:32], b"-", self._drawn[32:], b"-01\r\n")
        return parts

    def request_body(self, data: bytes) -> None:
        """A part of the request's body came in."""
        body = self._body
        if self.head.chunked and body is not None:
            body.received += len(data)
            if body.received > body.limit:
                self.give_up(413, f"The request's body is larger than {body.limit} bytes.")
                return
            data = b"%x\r\n%b\r\n" % (len(data), data)
        self._send_body(data)

    def send_body_again(self, parts: list[bytes]) -> None:
        """Have the next attempt begin its body with what was sent of it before."""
        if self._body is not None:
            self._body.parts[:0] = parts

    def _send_body(self, data: bytes) -> None:
        if self._observer is not None:
            self._observer.request_body(data)
        if self.done:
            return
        connection = self.connection
        if connection is not None:
            connection.transport.write(data)
            if self.attempts is not None:
                self.attempts.keep_body([data])
            self.client.deadline = self.client.plane.now + self._longest_silence()
        elif self._body is not None and self._body.hold(data):
            self.client.pause_reading()

    def request_ended(self) -> None:
        """The request's last byte came in."""
        self.request_complete = True
        if self.head.chunked:
            self._send_body(b"0\r\n\r\n")
        if self.connection is not None and not self.response_started:
            self.client.deadline = self.client.plane.now + self.timeouts.response

    # 4. From the upstream

    def whole_response(self, status: int, line: bytes, fields: bytes, body: bytes) -> None:
        """A response came in one piece; the connection is no longer this exchange's.

        `line` is its status line, `fields` are the lines of its head that go on, Content-Length among them.
        """
        if self._observer is not None:
            self._observer.whole_response(status, fields, body)
        self.connection = None
        self.bytes_out = len(body)
        pool = self._pool
        assert pool is not None
        if self.attempts is not None or status >= 400 or pool.watched:
            if not self._takes(status, fields):
                return
            if self.attempts is not None:
                self.attempts.copy_body(body)
        client = self.client
        remembered = self.remembered
        if (
            remembered is not None
            and remembered.nothing_added
            and self.keep_alive
            and not (self.rate_limit_fields or client.plane.draining)
        ):
            self.status = status
            self.response_started = True
            client.transport.write(
                b"%b%bX-Request-Id: %b%b\r\n%b" % (line, fields, self.request_id, AFTER_REQUEST_ID, body)
            )
        else:
            out = head_for_client(self, self._decision, status, line, fields)
            out.append(body)
            client.transport.write(b"".join(out))
        self._finish()

    def interim_response(self, status: int, line: bytes, fields: bytes) -> None:
        """Pass a 1xx on; HTTP/1.0 clients know none (RFC 9110 section 15.2)."""
        if self.head.minor >= 1:
            self.client.transport.write(b"%b%b\r\n" % (line, fields))

    def response_head(self, status: int, line: bytes, fields: bytes, delimited: bool) -> None:
        """The final response's head came in: frame it anew for the client, unless its end is `delimited`."""
        if self._observer is not None:
            self._observer.response_head(status, fields)
        connection, self.connection = self.connection, None
        assert connection is not None
        if not self._takes(status, fields):
            connection.discard()
            return
        self.connection = connection
        framing = BY_LENGTH
        if not delimited:
            if self.head.minor >= 1:
                framing = IN_CHUNKS
                fields += b"Transfer-Encoding: chunked\r\n"
            else:
                framing = UNTIL_CLOSE
                self.keep_alive = False
        self._framing = framing
        self._gathered = head_for_client(self, self._decision, status, line, fields)

    def response_body(self, body: bytes) -> None:
        """A part of the response's body came in."""
        self.bytes_out += len(body)
        if self._observer is not None:
            self._observer.response_body(body)
        if self.attempts is not None:
            self.attempts.copy_body(body)
        assert self._gathered is not None
        # Here and not in an object that writes responses: its calls would cost 5 % of a chunked response.
        if self._framing == IN_CHUNKS:
            self._gathered += (b"%x\r\n" % len(body), body, b"\r\n")
        else:
            self._gathered.append(body)

    def flush(self) -> None:
        """Write to the client what has gathered while one piece of input was parsed."""
        parts = self._gathered
        if parts:
            self._gathered = []
            client = self.client
            client.transport.write(b"".join(parts) if len(parts) > 1 else parts[0])
            client.deadline = client.plane.now + self.timeouts.idle

    def response_complete(self) -> None:
        """The response's last byte came in; the connection is no longer this exchange's."""
        self.connection = None
        if self._gathered is not None:
            if self._framing == IN_CHUNKS:
                self._gathered.append(b"0\r\n\r\n")
            self.flush()
        self._finish()

    def _takes(self, status: int, fields: bytes) -> bool:
        """Whether the client gets a response with this status and these fields; else it gets another one."""
        pool = self._pool
        assert pool is not None
        if pool.watched:
            pool.owner.endpoint_answered(pool, status)
        if self.attempts is None:
            reported = status >= 500 and pool.owner.guarded
            if status < 400 or not (reported or is_failure(self.decision, status)):
                return True
        return self._care().take(status, fields)

    def switch_protocols(
        self, connection: UpstreamConnection, line: bytes, fields: bytes, upgrade: bytes, early: bytes
    ) -> bool:
        """The upstream switches to `upgrade`, and `early` came with its 101: join both connections.

        False, and nothing is done, where that was not asked for.
        """
        pool = self._pool
        assert pool is not None
        upstream = pool.owner.upstream
        if not is_offered(upgrade, self.head.upgrade, upstream):
            return False
        self.connection = None
        connection.exchange = None
        if pool.watched:
            pool.owner.endpoint_answered(pool, 101)
        if self.attempts is not None or self.entered is not None:
            self._care().switched()
        self.ends = NEVER
        self.client.transport.write(head_of_switch(self, line, fields, upgrade))
        # The handshake's time is what a request's is; how long a tunnel lives says nothing of the upstream.
        self._record(101, write=False)
        self.client.plane.counters.event("tunnels_opened", upstream.name)
        held, client_is_full, client_has_ended = self.client.hand_over()
        websocket = upgrade.strip(b" \t").lower() == b"websocket"
        Tunnel(self, connection, websocket=websocket).start(held, early, client_is_full, client_has_ended)
        pool.switched()
        return True

    def tunnel_over(self, bytes_out: int) -> None:
        """The tunnel is closed, after the upstream has sent `bytes_out`."""
        self.bytes_out = bytes_out
        self._record(101, count=False)

    def change_connection(self, pool: EndpointPool, connection: UpstreamConnection | None) -> None:
        """Go on with `connection`, of `pool`, where the response has begun; give up the one there is."""
        self._drop_connection()
        self._pool = pool
        self.connection = connection
        if connection is not None:
            connection.exchange = self

    # The gateway's own responses

    def _refuse(self, refusal: Refusal, retry_after: float | None = None) -> None:
        self._gathered = None
        self.client.transport.write(refusing_response(self, refusal, retry_after))
        self._finish()

    def respond_instead(self, status: int, fields: bytes, body: bytes) -> None:
        """Give a response of the gateway's own; `fields` are whole lines, Content-Length among them."""
        if self._observer is not None:
            self._observer.own_response()
        self._gathered = None
        begin_own(self, status)
        out = head_for_client(self, self._decision, status, STATUS_LINES[status], fields)
        if self.method != "HEAD":
            self.bytes_out = len(body)
            out.append(body)
        self.client.transport.write(b"".join(out))
        self._finish()

    # When something goes wrong

    def connect_failed(self, status: int, detail: str) -> None:
        """No connection to the chosen endpoint."""
        attempts = self._care()
        if attempts.guard is not None:
            attempts.guard.failed()
        self._failed(Failure("connect", status, detail, attempts.sent))

    def busy(self, detail: str) -> None:
        """There are too many requests at the chosen endpoint."""
        self._failed(Failure("busy", 503, detail, self._care().sent, 1.0))

    def out_of_descriptors(self) -> None:
        """The gateway itself can open no connection, which says nothing about the upstream."""
        if self._observer is not None:
            self._observer.excuse(Excuse.NO_DESCRIPTORS)
        if self.attempts is not None:
            self.attempts.lose_hedge()
        self.fail(503, NO_DESCRIPTORS_LEFT, 1.0)

    def _care(self) -> Attempts:
        if self.attempts is None:
            self.attempts = Attempts(self) if self._pool is None else Attempts.late(self, self._pool.owner)
        return self.attempts

    def upstream_lost(self) -> None:
        """The connection ended before the response did.

        An endpoint may close an idle connection just as it is used again. That
        says nothing about the request, so a safe one without a body goes out
        once more, on a fresh connection, unless a part of a response came.
        """
        connection = self.connection
        assert connection is not None
        assert self._pool is not None
        stale = connection.used and not connection.answering
        attempts = self._care()
        if stale and self.repeatable and not attempts.stale_connection:
            attempts.stale_connection = True
            self.connection = None
            self.client.plane.counters.event("stale_connection_retries", self._pool.owner.upstream.name)
            self._pool.request(self, fresh=True)
            return
        if connection.truncated and connection.answering:
            endpoint = self._pool.endpoint.url
            self.client.plane.notice("response ended without close_notify", self._pool.owner.upstream.name, endpoint)
            self.upstream_failed("lost", 502, WITHOUT_CLOSE_NOTIFY)
            return
        self.upstream_failed("lost", 502, "The upstream closed the connection before its response was complete.")

    def upstream_failed(self, cause: Cause, status: int, detail: str, *, blame: bool = True) -> None:
        """The upstream can't complete this attempt, by its own fault unless `blame` is false."""
        if self._observer is not None and not blame:
            self._observer.excuse(Excuse.CLIENT_GONE)
        attempts = self._care()
        if self.connection is not None:
            attempts.sent = True
        self._drop_connection()
        if blame:
            if self._pool is not None:
                self._pool.owner.endpoint_failed(self._pool)
            if attempts.guard is not None:
                attempts.guard.failed()
        self._failed(Failure(cause, status, detail, attempts.sent))

    def give_up(self, status: int, detail: str) -> None:
        """The client can't complete its request, which says nothing about the upstream."""
        if self._observer is not None:
            self._observer.excuse(Excuse.REQUEST_INCOMPLETE)
        self._drop_connection()
        self.fail(status, detail)

    def _drop_connection(self) -> None:
        connection = self.connection
        if connection is not None:
            self.connection = None
            connection.discard()

    def _failed(self, failure: Failure) -> None:
        """An attempt failed: make another one, give another response, or tell the client."""
        if self.done:
            return
        if self._pool is not None:
            self._pool.forget(self)
        if self.response_started:
            self.fail(failure.status, failure.detail)
            return
        self._gathered = None
        self.bytes_out = 0
        self._care().failed(failure)

    def fail(self, status: int, detail: str, retry_after: float | None = None) -> None:
        """Respond with a problem, or break off a response that has begun."""
        if self.done:
            return
        if self._observer is not None:
            self._observer.own_response()
        if self.connection is None and self._pool is not None:
            self._pool.forget(self)
        self._care().reason = detail
        if self.response_started:
            self._break_off(detail)
            return
        self._refuse(Refusal(status, detail), retry_after)

    def _break_off(self, detail: str) -> None:
        """End a response that has begun and can't be completed; what has come of it still reaches the client."""
        client = self.client
        self.flush()
        self.keep_alive = False
        self.done = True
        attempts = self._care()
        attempts.broken = True
        attempts.over(whole=False)
        client.plane.counters.event("broken_responses", detail)
        client.break_off(self, framed=self._gathered is None or self._framing != UNTIL_CLOSE)

    # Time, and endings that others bring about

    def expired(self) -> None:
        """The deadline of what this exchange waits for has passed."""
        connection, attempts = self.connection, self.attempts
        if self.response_started:
            # A client that reads nothing stops the response, too.
            stopped = connection is not None and connection.paused
            self.upstream_failed("timeout", 504, "The response stopped for too long.", blame=not stopped)
        elif self._decision is None:
            self.refetched = True
            self.start()
        elif attempts is not None and attempts.guard is not None and attempts.guard.waiting:
            self._failed(attempts.guard.too_many())
        elif connection is None and attempts is not None and attempts.hedge is not None:
            attempts.hedge.expired()
        elif connection is None:
            detail = "No connection to the upstream could be had in time."
            self._failed(Failure("busy", 504, detail, self._care().sent))
        elif not self.request_complete and self.client.is_reading:
            self.give_up(408, "The request's body stopped for too long.")
        elif not self.request_complete:
            self.upstream_failed("timeout", 504, "The upstream took too long to read the request's body.")
        else:
            self.upstream_failed("timeout", 504, "The upstream took too long to answer.")

    def total_expired(self) -> None:
        """The deadline of the whole exchange has passed."""
        if self.done:
            return
        if not self.request_complete:
            self.give_up(408, "The request took longer than it may.")
        else:
            waited = self.connection is not None and not self.response_started
            if self.attempts is not None:
                self.attempts.lose_hedge()
            self.upstream_failed("timeout", 504, "The request took longer than it may.", blame=waited)

    def client_gone(self) -> None:
        """The client hung up: end the upstream's work too, without blame."""
        if self.done:
            return
        self.done = True
        if self.connection is not None:
            self._drop_connection()
        elif self._pool is not None:
            self._pool.forget(self)
        if self.attempts is not None or self.entered is not None:
            self._care().over(whole=False)
        self.bytes_out = max(0, self.bytes_out - self.client.transport.get_write_buffer_size())
        self._record(CLIENT_GONE)

    def drained(self) -> None:
        """The gateway ends, and can't wait for this exchange any longer, which says nothing about either side."""
        if self.done:
            return
        if self._observer is not None:
            self._observer.excuse(Excuse.SHUTDOWN)
        if self.response_started:
            self.give_up(self.status, "The gateway shut down before the response was complete.")
        elif self.connection is not None:
            # It may have been carried out, so the client must not take it for refused.
            self.give_up(504, "The gateway shut down before the upstream responded.")
        else:
            self.give_up(503, "The gateway is shutting down.")

    def note(self, reason: str) -> None:
        """Have the access log say why the gateway itself ended this."""
        if self.attempts is None:
            self.attempts = Attempts(self)
        self.attempts.reason = reason

    def broken_off(self, lost: int) -> None:
        """The client's connection is gone after a response that was cut short, `lost` bytes of which never arrived."""
        self.bytes_out = max(0, self.bytes_out - lost)
        self._record(self.status)

    # 5. The end

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

    def _record(self, status: int, count: bool = True, write: bool = True) -> None:
        """Count the exchange and write its line of the access log."""
        plane = self.client.plane
        seconds = monotonic() - self._started
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
        if self._observer is not None:
            self._observer.ended(self, status, seconds)
