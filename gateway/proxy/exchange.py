"""One request and its response on their way through the proxy.

The client side and the upstream side call in; an exchange knows where it
stands and what may still happen:

- before a response byte reached the client it may be refused, or have another
  attempt made or somebody else answer, where that is safe (attempts.py, recovery.py);
- after that it either ends cleanly or is broken off visibly, so that nobody
  takes half an answer for a whole one.
"""

from __future__ import annotations

from math import ceil
from time import monotonic, time
from typing import TYPE_CHECKING

from orjson import dumps

from gateway.auth.identity import Identity
from gateway.auth.upgrade_token import take_from_query
from gateway.auth.verify import NoKeys, TokenRefused, UnknownKey
from gateway.config.snapshot import AuthRequirement
from gateway.observe.access_log import caller_text, quoted
from gateway.proxy.attempts import NEVER, Attempts, is_repeated
from gateway.proxy.changes import changed_line, changed_response
from gateway.proxy.headers import VIA_LINE, protocols
from gateway.proxy.known import NO_ROUTE, KnownFields, Remembered, fields_sent
from gateway.proxy.problems import problem
from gateway.proxy.recovery import is_failure
from gateway.proxy.status import STATUS_LINES
from gateway.proxy.tunnel import Tunnel
from gateway.resilience.retry import SAFE, Cause, Failure
from gateway.routing.cors import response_fields
from gateway.routing.decide import Decision, Refusal, decide, find_route
from gateway.routing.request import Request
from gateway.routing.rewrite import is_cut_alike
from gateway.routing.split import VISITOR_COOKIE

if TYPE_CHECKING:
    from gateway.config.snapshot import Route
    from gateway.proxy.client import ClientConnection
    from gateway.proxy.endpoints import UpstreamPool
    from gateway.proxy.pool import EndpointPool
    from gateway.proxy.request_head import RequestHead
    from gateway.proxy.upstream import UpstreamConnection
    from gateway.resilience.breaker import Breaker

CLIENT_GONE = 499
HELD_BODY = 65_536
VISITOR_LIFETIME = 31_536_000

_AFTER_REQUEST_ID = b"\r\n" + VIA_LINE


def _visitor_cookie(visitor: str) -> bytes:
    return b"Set-Cookie: %b=%b; Path=/; Max-Age=%d; HttpOnly; SameSite=Lax\r\n" % (
        VISITOR_COOKIE.encode(),
        visitor.encode(),
        VISITOR_LIFETIME,
    )


class Exchange(Request):
    """A request, from its complete head to the last byte of the response."""

    __slots__ = (
        "_body",
        "_body_bytes",
        "_body_limit",
        "_body_received",
        "_chunked_out",
        "_decision",
        "_drawn",
        "_pool",
        "_refetched",
        "_remembered",
        "attempts",
        "bytes_out",
        "client",
        "connection",
        "done",
        "head",
        "keep_alive",
        "line",
        "pending_out",
        "rate_limit_fields",
        "recording",
        "request_complete",
        "request_id",
        "response_started",
        "started",
        "status",
        "timeouts",
    )

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
        client.requests_left -= 1
        self.keep_alive = head.keep_alive and client.requests_left > 0
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
        self._body_bytes = 0
        self._body_limit = NEVER
        self._body_received = 0
        self._chunked_out = False
        self._decision: Decision | None = None
        self._remembered: Remembered | None = None
        self._pool: EndpointPool | None = None
        self._refetched = False
        self.attempts: Attempts | None = None
        self.rate_limit_fields = b""

    # Deciding

    def start_known(self, known: KnownFields) -> None:
        """Start a request whose fields are `known`: what was decided for them before holds again."""
        client = self.client
        plane = client.plane
        route = find_route(plane.snapshot, self)
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
                        route, before.upstream, before.side, identity, before.choice, changes=changes
                    )
                    self._remembered = remembered
                    self._first_attempt(route, remembered.pool)
                    return
        self.start(known)

    def start(self, known: KnownFields | None = None) -> None:
        """Decide, have `known` remember that, and send the request on its way or answer it."""
        client = self.client
        plane = client.plane
        try:
            decision = self._decision = decide(plane.snapshot, self, self._identify)
        except UnknownKey as unknown:
            self._refetched = True
            client.deadline = plane.now + plane.refetch_deadline
            plane.refetch(unknown.provider, self)
            return
        if decision.refusal is not None:
            self._answer(decision.refusal)
            return
        if decision.preflight is not None:
            self.answer_instead(204, decision.preflight, b"")
            return
        if self.head.has_body and self._is_too_large(decision.route):
            return
        assert decision.upstream is not None
        if known is not None:
            # Whoever answers instead, where the attempt fails, does that for this request alone.
            known.remember(decision, client)
        self._first_attempt(decision.route, plane.pools[decision.upstream])

    def _is_too_large(self, route: Route | None) -> bool:
        """Refuse a body that is larger than `route` takes as far as it is known; whether it is."""
        limit = None if route is None else route.body_bytes
        self._body_limit = limit = limit or self.client.plane.snapshot.limits.body_bytes
        length = self.head.content_length
        # A number of more digits than any limit's need not be worked out.
        if (int(length[:20]) if length is not None else self._body_received) <= limit:
            return False
        self.give_up(413, f"The request's body is larger than {limit} bytes.")
        return True

    def _identify(self, request: Request, requirement: AuthRequirement) -> Identity | Refusal | None:
        """Verify the one bearer token of the request against the route's provider."""
        if requirement.upgrade_token and self.head.upgrade:
            self._take_upgrade_token(requirement)
        credentials = self.head.credentials
        if not credentials:
            return None
        if len(credentials) > 1:
            return Refusal(400, "The request has more than one bearer token.", "invalid_request")
        verifier = self.client.plane.verifiers[requirement.provider]
        try:
            return verifier.verify(credentials[0], time())
        except TokenRefused as refused:
            return Refusal(refused.status, refused.detail, refused.error)
        except NoKeys:
            return Refusal(503, "The keys that verify tokens are not available yet.")
        except UnknownKey as unknown:
            if self._refetched or not self.client.plane.may_refetch(requirement.provider):
                return Refusal(401, "The token names a signing key that is not known.", "invalid_token")
            unknown.provider = requirement.provider
            raise

    def _take_upgrade_token(self, requirement: AuthRequirement) -> None:
        """Move tokens from where the route lets a handshake carry them to the credentials, so that nobody sees them."""
        head = self.head
        for place in requirement.upgrade_token:
            if place.kind == "subprotocol":
                tokens = head.take_subprotocol_tokens(place.name)
            else:
                tokens, query = take_from_query(self.query, place.name)
                if tokens:
                    self.query = query
                    target = self.line.split(b" ")[1].partition(b"?")[0] + (b"?" + query.encode() if query else b"")
                    self.line = b"%b %b HTTP/1.1\r\n" % (self.method.encode(), target)
            head.credentials += [b"Bearer " + token.encode() for token in tokens]

    # What attempts ask

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

    @property
    def stale_key(self) -> tuple[bytes, bytes]:
        """What tells this request's answer from others' in what is kept of them: host and request line."""
        return self.host.lower().encode("latin-1"), self.line

    def side_breaker(self) -> Breaker | None:
        """The breaker of the side of the migration that this goes to."""
        decision = self.decision
        route = decision.route
        if route is None or route.migration is None or decision.side is None:
            return None
        return self.client.plane.side_breakers.get((route.migration.name, decision.side))

    def waits_for(self, pool: EndpointPool) -> bool:
        """Whether a connection of `pool` is wanted: somebody else may have answered, or been asked, by now."""
        return not self.done and self.connection is None and self._pool is pool

    # Towards the upstream

    def let_in(self, upstream: UpstreamPool, fields: bytes) -> None:
        """The rate limits of the route let the request in, which `fields` tell the client."""
        self.rate_limit_fields = fields
        self._first_attempt(self.decision.route, upstream)

    def turn_away(self, refusal: Refusal, retry_after: float, fields: bytes = b"") -> None:
        """The rate limits of the route do not let the request in before `retry_after` seconds from now."""
        self.rate_limit_fields = fields
        self._answer(refusal, retry_after)

    def _first_attempt(self, route: Route | None, upstream: UpstreamPool) -> None:
        self.timeouts = upstream.upstream.timeouts
        if (
            (route is not None and not route.plain)
            or upstream.special
            or (self.head.has_body and is_repeated(route, self.method))
        ):
            if route is not None and route.rate_limits and not self.rate_limit_fields:
                self.client.plane.rate_limiter.check(self, route, upstream)
                return
            if route is not None and route.timeouts:
                self.timeouts = route.timeouts.get(upstream.upstream.name, self.timeouts)
            self.attempts = attempts = Attempts(self)
            attempts.prepare(route, upstream)
            return
        self._pool = pool = upstream.next(self)
        client = self.client
        client.deadline = client.plane.now + self.timeouts.connect + 1.0
        pool.request(self)

    def redirect(self, decision: Decision) -> None:
        """Have the next attempt go where `decision` says."""
        self._decision = decision
        self._remembered = None

    def send_body_again(self, parts: list[bytes]) -> None:
        """Have the next attempt begin its body with what was sent of it before."""
        self._body = parts + self._body

    def send_to(self, upstream: UpstreamPool) -> None:
        """Send the request to an endpoint of `upstream`, in an attempt that `attempts` makes."""
        route = self.decision.route
        timeouts = upstream.upstream.timeouts
        if route is not None and route.timeouts:
            timeouts = route.timeouts.get(upstream.upstream.name, timeouts)
        self.timeouts = timeouts
        assert self.attempts is not None
        self._pool = pool = self.attempts.next(upstream)
        self.client.deadline = self.client.plane.now + timeouts.connect + 1.0
        pool.request(self)

    def connected(self, connection: UpstreamConnection) -> None:
        """Write the request, as far as it is there, to `connection`."""
        self.connection = connection
        connection.exchange = self
        client = self.client
        parts = self.head_sent()
        parts.append(b"\r\n")
        if self._body:
            parts += self._body
            if self.attempts is not None:
                self.attempts.keep_body(self._body)
            self._body = []
            self._body_bytes = 0
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
        remembered = self._remembered
        if other is not None and decision.route is not None and decision.route.changes is not None:
            changes = decision.route.changes_for(other.owner.upstream.name)
            remembered = None
        if remembered is not None:
            fields = remembered.fields
        else:
            fields = fields_sent(head, self.client, decision, changes)
            if head.upgrade:
                fields += self._upgrade_fields()
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

    def request_body(self, body: bytes) -> None:
        """A part of the request's body came in."""
        if self.head.chunked:
            self._body_received += len(body)
            if self._body_received > self._body_limit:
                self.give_up(413, f"The request's body is larger than {self._body_limit} bytes.")
                return
            body = b"%x\r\n%b\r\n" % (len(body), body)
        self._send_body(body)

    def _send_body(self, data: bytes) -> None:
        if self.done:
            return
        connection = self.connection
        if connection is not None:
            connection.transport.write(data)
            if self.attempts is not None:
                self.attempts.keep_body([data])
            self.client.deadline = self.client.plane.now + self._longest_silence()
            return
        self._body.append(data)
        self._body_bytes += len(data)
        if self._body_bytes > HELD_BODY:
            self.client.pause_reading()

    def request_ended(self) -> None:
        """The request's last byte came in."""
        self.request_complete = True
        if self.head.chunked:
            self._send_body(b"0\r\n\r\n")
        if self.connection is not None and not self.response_started:
            self.client.deadline = self.client.plane.now + self.timeouts.response

    # From the upstream

    def interim_response(self, status: int, fields: bytes) -> None:
        """Pass a 1xx on; HTTP/1.0 clients know none (RFC 9110 section 15.2)."""
        if self.head.minor >= 1:
            self.client.transport.write(b"%b%b\r\n" % (STATUS_LINES[status], fields))

    def whole_response(self, status: int, fields: bytes, body: bytes) -> None:
        """A response came in one piece; the connection is no longer this exchange's.

        `fields` are the lines of its head that go on, Content-Length among them.
        """
        self.connection = None
        self.bytes_out = len(body)
        pool = self._pool
        assert pool is not None
        if self.attempts is not None or status >= 400 or pool.watched:
            if not self._takes(status, fields):
                return
            if self.attempts is not None:
                self.attempts.copy_body(body)
        out = self._head_for_client(status, fields)
        out.append(body)
        self.client.transport.write(b"".join(out))
        self._finish()

    def response_head(self, status: int, fields: bytes, delimited: bool) -> None:
        """The final response's head came in: frame it anew for the client, unless its end is `delimited`."""
        connection, self.connection = self.connection, None
        assert connection is not None
        if not self._takes(status, fields):
            connection.discard()
            return
        self.connection = connection
        if not delimited:
            if self.head.minor >= 1:
                self._chunked_out = True
                fields += b"Transfer-Encoding: chunked\r\n"
            else:
                self.keep_alive = False
        self.pending_out += self._head_for_client(status, fields)

    def _takes(self, status: int, fields: bytes) -> bool:
        """Whether a response with this status and these fields is the answer; else somebody else gives one."""
        pool = self._pool
        assert pool is not None
        if pool.watched:
            pool.owner.endpoint_answered(pool, status)
        if self.attempts is None:
            if status < 400 or not is_failure(self.decision, status):
                return True
            self.attempts = Attempts(self)
        return self.attempts.take(status, fields)

    def _head_for_client(self, status: int, fields: bytes) -> list[bytes]:
        """The parts of the response's head: the gateway's own fields come after `fields`."""
        self.status = status
        self.response_started = True
        decision = self._decision
        if decision is not None and decision.changes is not None:
            fields = changed_response(decision.changes, fields, self)
        out = [STATUS_LINES[status], fields, b"X-Request-Id: ", self.request_id, _AFTER_REQUEST_ID]
        if decision is not None and decision.choice is not None and decision.choice.visitor is not None:
            out.append(_visitor_cookie(decision.choice.visitor))
        if self.rate_limit_fields:
            out.append(self.rate_limit_fields)
        if self.client.plane.draining:
            self.keep_alive = False
        if not self.keep_alive:
            out.append(b"Connection: close\r\n")
        elif self.head.minor == 0:
            out.append(b"Connection: keep-alive\r\n")
        out.append(b"\r\n")
        return out

    # Upgrades

    def _offered(self) -> list[bytes]:
        """The protocols that the client asks for and the upstream may switch to."""
        assert self._pool is not None
        upgrades = self._pool.owner.upstream.upgrades
        return [protocol for protocol in self.head.upgrade if protocol.lower().decode("latin-1") in upgrades]

    def _upgrade_fields(self) -> bytes:
        offered = self._offered()
        return b"Connection: Upgrade\r\nUpgrade: %b\r\n" % b", ".join(offered) if offered else b""

    def switch_protocols(self, connection: UpstreamConnection, fields: bytes, upgrade: bytes, early: bytes) -> bool:
        """The upstream switches to `upgrade`, and `early` came with its 101: join both connections.

        False, and nothing is done, where that was not asked for.
        """
        switched = {protocol.lower() for protocol in protocols(upgrade)}
        if not switched or not switched <= {protocol.lower() for protocol in self._offered()}:
            return False
        client = self.client
        plane = client.plane
        self.status = 101
        self.response_started = True
        self.connection = None
        connection.exchange = None
        if connection.pool.watched:
            connection.pool.owner.endpoint_answered(connection.pool, 101)
        if self.attempts is not None:
            self.attempts.switched()
        out = [STATUS_LINES[101], fields, b"Connection: Upgrade\r\nUpgrade: ", upgrade]
        out += (b"\r\nX-Request-Id: ", self.request_id, _AFTER_REQUEST_ID)
        decision = self._decision
        if decision is not None and decision.choice is not None and decision.choice.visitor is not None:
            out.append(_visitor_cookie(decision.choice.visitor))
        out.append(b"\r\n")
        client.transport.write(b"".join(out))
        # The handshake's time is what a request's is; how long a tunnel lives says nothing of the upstream.
        self._record(101, write=False)
        plane.counters.event("tunnels_opened", connection.pool.owner.upstream.name)
        held, client_is_full = client.hand_over()
        Tunnel(self, connection).start(held, early, client_is_full)
        connection.pool.switched()
        return True

    def tunnel_over(self, bytes_out: int) -> None:
        """The tunnel is closed, after the upstream has sent `bytes_out`."""
        self.bytes_out = bytes_out
        self._record(101, count=False)

    def response_body(self, body: bytes) -> None:
        """A part of the response's body came in."""
        self.bytes_out += len(body)
        if self.attempts is not None:
            self.attempts.copy_body(body)
        if self._chunked_out:
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

    def response_complete(self) -> None:
        """The response's last byte came in; the connection is no longer this exchange's."""
        self.connection = None
        if self._chunked_out:
            self.pending_out.append(b"0\r\n\r\n")
        if self.pending_out:
            self.flush()
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

    def _care(self) -> Attempts:
        if self.attempts is None:
            self.attempts = Attempts(self)
        return self.attempts

    def upstream_lost(self) -> None:
        """The connection ended before the response did.

        An endpoint may close an idle connection just as it is used again. That
        says nothing about the request, so a safe one without a body goes out
        once more, on a fresh connection, unless a part of an answer came.
        """
        connection = self.connection
        assert connection is not None
        assert self._pool is not None
        stale = connection.used and not connection.answering
        attempts = self._care()
        if stale and not self.head.has_body and self.method in SAFE and not attempts.stale_connection:
            attempts.stale_connection = True
            self.connection = None
            self.client.plane.counters.event("stale_connection_retries", self._pool.owner.upstream.name)
            self._pool.request(self, fresh=True)
            return
        self.upstream_failed("lost", 502, "The upstream closed the connection before its response was complete.")

    def upstream_failed(self, cause: Cause, status: int, detail: str, *, blame: bool = True) -> None:
        """The upstream can't complete this attempt, by its own fault unless told otherwise."""
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
        self._drop_connection()
        self.fail(status, detail)

    def _drop_connection(self) -> None:
        connection = self.connection
        if connection is not None:
            self.connection = None
            connection.discard()

    def change_connection(self, pool: EndpointPool, connection: UpstreamConnection | None) -> None:
        """Go on with `connection`, of `pool`, where the response has begun; give up the one there is."""
        self._drop_connection()
        self._pool = pool
        self.connection = connection
        if connection is not None:
            connection.exchange = self

    def _failed(self, failure: Failure) -> None:
        """An attempt failed: have another made or somebody else answer, or tell the client."""
        if self.done:
            return
        if self._pool is not None:
            self._pool.forget(self)
        if self.response_started:
            self.fail(failure.status, failure.detail)
            return
        self.pending_out = []
        self._chunked_out = False
        self.bytes_out = 0
        self._care().failed(failure)

    def fail(self, status: int, detail: str, retry_after: float | None = None) -> None:
        """Answer with a problem, or break off a response that has begun."""
        if self.done:
            return
        if self.connection is None and self._pool is not None:
            self._pool.forget(self)
        if self.response_started:
            self.pending_out = []
            self.keep_alive = False
            self.done = True
            if self.attempts is not None:
                self.attempts.over(whole=False)
            self.client.plane.counters.event("broken_responses", detail)
            self._record(self.status)
            self.client.break_off()
            return
        self._answer(Refusal(status, detail), retry_after)

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
        self._begin_answer(status)
        out = self._head_for_client(status, fields)
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

    def expired(self) -> None:
        """The deadline of what this exchange waits for has passed."""
        connection = self.connection
        if self.response_started:
            # A client that reads nothing stops the response, too.
            stopped = connection is not None and connection.paused
            self.upstream_failed("timeout", 504, "The response stopped for too long.", blame=not stopped)
        elif self._decision is None:
            self._refetched = True
            self.start()
        elif self.attempts is not None and self.attempts.guard is not None and self.attempts.guard.waiting:
            self._failed(self.attempts.guard.too_many())
        elif connection is None:
            detail = "No connection to the upstream could be had in time."
            self._failed(Failure("busy", 504, detail, self._care().sent))
        elif not self.request_complete and self.client.is_reading:
            self.give_up(408, "The request's body stopped for too long.")
        elif not self.request_complete:
            self.upstream_failed("timeout", 504, "The upstream took too long to read the request's body.")
        else:
            self.upstream_failed("timeout", 504, "The upstream took too long to answer.")

    def client_gone(self) -> None:
        """The client hung up: end the upstream's work too, and hold it against nobody."""
        if self.done:
            return
        self.done = True
        if self.connection is not None:
            self._drop_connection()
        elif self._pool is not None:
            self._pool.forget(self)
        if self.attempts is not None:
            self.attempts.over(whole=False)
        self._record(CLIENT_GONE)

    def _finish(self) -> None:
        if self.done:
            return
        self.done = True
        if self.attempts is not None:
            self.attempts.over(whole=True)
        self._record(self.status)
        self.client.exchange_finished(self)

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
            remembered = self._remembered
            if remembered is not None:
                caller = remembered.logged
            else:
                identity = None if decision is None else decision.identity
                caller = caller_text(self.peer, self.host, side, upstream, identity)
            noted = "" if self.attempts is None else self.attempts.logged()
            log.write(
                f'{{"time":"{plane.timestamp}","request_id":"{self.request_id.decode()}","method":"{self.method}"'
                f',"path":{dumps(self.path).decode()},"status":{status},"route":{quoted(route)}'
                f',"endpoint":{quoted(self._pool.endpoint.url if self._pool is not None else "")}'
                f',"bytes":{self.bytes_out},"ms":{seconds * 1000:.3f}{noted}{caller}}}\n'
            )
