"""One request and its response on their way through the proxy.

The client side and the upstream side call in; an exchange knows where it
stands and what may still happen:

- before a response byte reached the client it may be refused, or sent again to
  another connection where that is safe (RFC 9110 section 9.2.2);
- after that it either ends cleanly or is broken off visibly, so that nobody
  takes half an answer for a whole one.
"""

from __future__ import annotations

from time import monotonic, time
from typing import TYPE_CHECKING

from orjson import dumps

from gateway.auth.identity import Identity
from gateway.auth.upgrade_token import take_from_query
from gateway.auth.verify import NoKeys, TokenRefused, UnknownKey
from gateway.config.snapshot import AuthRequirement
from gateway.observe.access_log import caller_text, quoted
from gateway.proxy.headers import VIA_LINE, protocols
from gateway.proxy.known import NO_ROUTE, KnownFields, Remembered, fields_sent
from gateway.proxy.problems import problem
from gateway.proxy.status import STATUS_LINES
from gateway.proxy.tunnel import Tunnel
from gateway.routing.decide import Decision, Refusal, decide, find_route
from gateway.routing.request import Request
from gateway.routing.split import VISITOR_COOKIE

if TYPE_CHECKING:
    from gateway.proxy.client import ClientConnection
    from gateway.proxy.pool import EndpointPool
    from gateway.proxy.request_head import RequestHead
    from gateway.proxy.upstream import UpstreamConnection

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
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
        "_chunked_out",
        "_decision",
        "_drawn",
        "_pool",
        "_refetched",
        "_remembered",
        "_retried",
        "_tried",
        "bytes_out",
        "client",
        "connection",
        "done",
        "head",
        "keep_alive",
        "line",
        "pending_out",
        "recording",
        "request_complete",
        "request_id",
        "response_started",
        "started",
        "status",
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
        self.keep_alive = head.keep_alive
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
        self._chunked_out = False
        self._decision: Decision | None = None
        self._remembered: Remembered | None = None
        self._pool: EndpointPool | None = None
        self._tried: tuple[str, ...] = ()
        self._retried = False
        self._refetched = False

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
                    self._decision = Decision(route, before.upstream, before.side, identity, before.choice)
                    self._remembered = remembered
                    self._pool = pool = remembered.pool.next()
                    client.deadline = plane.now + pool.upstream.timeouts.connect + 1.0
                    if route is not None and route.shadowed and plane.mirror is not None:
                        plane.mirror.begin(self, self._decision)
                    pool.request(self)
                    return
        self.start()
        decision = self._decision
        if decision is not None:
            known.remember(decision, client)

    def start(self) -> None:
        """Decide, and send the request on its way or answer it."""
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
        assert decision.upstream is not None
        upstream = plane.pools[decision.upstream]
        self._pool = pool = upstream.next()
        client.deadline = plane.now + pool.upstream.timeouts.connect + 1.0
        route = decision.route
        if route is not None and route.shadowed and plane.mirror is not None:
            plane.mirror.begin(self, decision)
        pool.request(self)

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

    # Towards the upstream

    def connected(self, connection: UpstreamConnection) -> None:
        """Write the request, as far as it is there, to `connection`."""
        self.connection = connection
        connection.exchange = self
        client = self.client
        parts = self.head_sent()
        parts.append(b"\r\n")
        if self._body:
            parts += self._body
            self._body = []
            self._body_bytes = 0
            client.resume_reading()
        connection.transport.write(b"".join(parts))
        assert self._pool is not None
        timeouts = self._pool.upstream.timeouts
        client.deadline = client.plane.now + (timeouts.response if self.request_complete else timeouts.idle)

    def head_sent(self) -> list[bytes]:
        """The parts of the head as the upstream gets it, but for its last, empty line."""
        pool = self._pool
        assert pool is not None
        head = self.head
        remembered = self._remembered
        if remembered is not None:
            fields = remembered.fields
        else:
            assert self._decision is not None
            fields = fields_sent(head, self.client, self._decision)
            if head.upgrade:
                fields += self._upgrade_fields()
        parts = [self.line]
        if not head.host:
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
            body = b"%x\r\n%b\r\n" % (len(body), body)
        self._send_body(body)

    def _send_body(self, data: bytes) -> None:
        if self.done:
            return
        connection = self.connection
        if connection is not None:
            connection.transport.write(data)
            assert self._pool is not None
            self.client.deadline = self.client.plane.now + self._pool.upstream.timeouts.idle
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
            assert self._pool is not None
            self.client.deadline = self.client.plane.now + self._pool.upstream.timeouts.response

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
        out = self._head_for_client(status, fields)
        out.append(body)
        self.client.transport.write(b"".join(out))
        self._finish()

    def response_head(self, status: int, fields: bytes, delimited: bool) -> None:
        """The final response's head came in: frame it anew for the client, unless its end is `delimited`."""
        if not delimited:
            if self.head.minor >= 1:
                self._chunked_out = True
                fields += b"Transfer-Encoding: chunked\r\n"
            else:
                self.keep_alive = False
        self.pending_out += self._head_for_client(status, fields)

    def _head_for_client(self, status: int, fields: bytes) -> list[bytes]:
        """The parts of the response's head: the gateway's own fields come after `fields`."""
        self.status = status
        self.response_started = True
        out = [STATUS_LINES[status], fields, b"X-Request-Id: ", self.request_id, _AFTER_REQUEST_ID]
        decision = self._decision
        if decision is not None and decision.choice is not None and decision.choice.visitor is not None:
            out.append(_visitor_cookie(decision.choice.visitor))
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
        upgrades = self._pool.upstream.upgrades
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
        out = [STATUS_LINES[101], fields, b"Connection: Upgrade\r\nUpgrade: ", upgrade]
        out += (b"\r\nX-Request-Id: ", self.request_id, _AFTER_REQUEST_ID)
        decision = self._decision
        if decision is not None and decision.choice is not None and decision.choice.visitor is not None:
            out.append(_visitor_cookie(decision.choice.visitor))
        out.append(b"\r\n")
        client.transport.write(b"".join(out))
        # The handshake's time is what a request's is; how long a tunnel lives says nothing of the upstream.
        self._record(101, write=False)
        plane.counters.event("tunnels_opened", connection.pool.upstream.name)
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
        assert self._pool is not None
        client.deadline = client.plane.now + self._pool.upstream.timeouts.idle

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
        """No connection to the chosen endpoint: nothing was sent, so any other may be tried."""
        if self.done:
            return
        assert self._decision is not None
        assert self._decision.upstream is not None
        assert self._pool is not None
        self._tried += (self._pool.endpoint.url,)
        pool = self.client.plane.pools.get(self._decision.upstream)
        another = pool.next_but(self._tried) if pool is not None else None
        if pool is not None and another is not None:
            self._pool = another
            self.client.plane.counters.event("connect_retries", pool.upstream.name)
            self.client.deadline = self.client.plane.now + pool.upstream.timeouts.connect + 1.0
            self._pool.request(self)
            return
        self.fail(status, detail)

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
        if stale and not self._retried and not self.head.has_body and self.method in SAFE_METHODS:
            self._retried = True
            self.connection = None
            self.client.plane.counters.event("stale_connection_retries", self._pool.upstream.name)
            self._pool.request(self, fresh=True)
            return
        self.upstream_failed(502, "The upstream closed the connection before its response was complete.")

    def upstream_failed(self, status: int, detail: str) -> None:
        """The upstream can't complete this exchange; its connection is not used again."""
        connection = self.connection
        if connection is not None:
            self.connection = None
            connection.discard()
        self.fail(status, detail)

    def fail(self, status: int, detail: str) -> None:
        """Answer with a problem, or break off a response that has begun."""
        if self.done:
            return
        if self.connection is None and self._pool is not None:
            self._pool.forget(self)
        if self.response_started:
            self.pending_out = []
            self.keep_alive = False
            self.done = True
            self.client.plane.counters.event("broken_responses", detail)
            self._record(self.status)
            self.client.break_off()
            return
        self._answer(Refusal(status, detail))

    def _answer(self, refusal: Refusal) -> None:
        self.pending_out = []
        self.bytes_out = 0
        if not self.request_complete and self.head.has_body:
            self.keep_alive = False
        if self.client.plane.draining:
            self.keep_alive = False
        self.status = refusal.status
        self.response_started = True
        data = problem(
            refusal,
            self.request_id,
            close=not self.keep_alive,
            head_only=self.method == "HEAD",
            retry_after=1 if refusal.status == 503 else None,
        )
        self.client.transport.write(data)
        self._finish()

    def expired(self) -> None:
        """The deadline of what this exchange waits for has passed."""
        if self.response_started:
            self.upstream_failed(504, "The response stopped for too long.")
        elif self._decision is None:
            self._refetched = True
            self.start()
        elif self.connection is None:
            self.fail(504, "No connection to the upstream could be had in time.")
        elif not self.request_complete:
            self.upstream_failed(408, "The request's body stopped for too long.")
        else:
            self.upstream_failed(504, "The upstream took too long to answer.")

    def client_gone(self) -> None:
        """The client hung up: end the upstream's work too, and hold it against nobody."""
        if self.done:
            return
        self.done = True
        connection = self.connection
        if connection is not None:
            self.connection = None
            connection.discard()
        elif self._pool is not None:
            self._pool.forget(self)
        self._record(CLIENT_GONE)

    def _finish(self) -> None:
        if self.done:
            return
        self.done = True
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
            log.write(
                f'{{"time":"{plane.timestamp}","request_id":"{self.request_id.decode()}","method":"{self.method}"'
                f',"path":{dumps(self.path).decode()},"status":{status},"route":{quoted(route)}'
                f',"endpoint":{quoted(self._pool.endpoint.url if self._pool is not None else "")}'
                f',"bytes":{self.bytes_out},"ms":{seconds * 1000:.3f}{caller}}}\n'
            )
