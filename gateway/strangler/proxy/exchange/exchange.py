"""One request and its response on their way through the proxy.

The client side and the upstream side call in; an exchange knows where it
stands and what may still happen:

- before a response byte reached the client it may be refused, have another
  attempt made, or be given another response where that is safe (attempts.py,
  recovery.py);
- after that it either ends cleanly or is broken off visibly, so that a client
  never takes half a response for a whole one.

It has a head, the body on its way to the upstream where there is one
(request_body.py), attempts where something is special about them (attempts.py),
and an observer where it is shadowed (under_way.py). What it sends and what goes
wrong are functions that take it (sending.py, response.py, failures.py).

The hot path, for a plain head and a response in one piece, creates no object
for the two sides (decisions 0027 and 0028):

 1. `start`: decide
 2. `_first_attempt`: begin what the route asks for, choose an endpoint
 3. `connected`: write the request by one format
 4. `whole_response`: write the response by one format
 5. `finish`, `record` (completion.py): count, log, let the client connection go on
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from strangler.auth.sessions import UnknownSession
from strangler.auth.verify import UnknownKey
from strangler.model.methods import SAFE
from strangler.proxy.exchange import counted_callers, failures
from strangler.proxy.exchange.admission import enter_lightly
from strangler.proxy.exchange.attempts import Attempts, is_repeated
from strangler.proxy.exchange.authentication import identify
from strangler.proxy.exchange.completion import finish
from strangler.proxy.exchange.recovery import is_failure
from strangler.proxy.exchange.request_body import RequestBody
from strangler.proxy.exchange.response import (
    BY_LENGTH,
    IN_CHUNKS,
    UNTIL_CLOSE,
    head_for_client,
    refuse,
    respond_instead,
)
from strangler.proxy.exchange.sending import head_sent, is_too_large, longest_silence
from strangler.proxy.exchange.switching import switch_protocols
from strangler.proxy.exchange.under_way import NEVER, RequestUnderWay
from strangler.proxy.http.writing import write_together
from strangler.proxy.upstream.endpoint_pool import LARGE_BODY
from strangler.resilience.retry import Cause
from strangler.routing.decide import Refusal, decide

if TYPE_CHECKING:
    from strangler.auth.identity import Identity
    from strangler.model.auth import AuthRequirement
    from strangler.model.route import Route
    from strangler.proxy.exchange.request_head import RequestHead
    from strangler.proxy.exchange.under_way import Client, Observer, Trying
    from strangler.proxy.upstream.connection import UpstreamConnection
    from strangler.proxy.upstream.endpoint_pool import EndpointPool
    from strangler.proxy.upstream.upstream_pool import UpstreamPool
    from strangler.routing.request import Request


class Exchange(RequestUnderWay):
    """A request, from its complete head to the last byte of the response.

    One class, because two sides call it, and a part for each would be one more object per request (decision 0027).
    """

    __slots__ = ()

    def __init__(self, client: Client, head: RequestHead) -> None:
        self.method = head.method
        self.path = head.path
        self.query = head.query
        self.host = head.host
        self.peer = head.client or client.peer
        self.certificate = client.certificate
        self.client = client
        self.head = head
        client.requests_left = left = client.requests_left - 1
        self.keep_alive = head.keep_alive and left > 0
        self.request_complete = False
        self.response_started = False
        self.done = False
        self.refetched = False
        self.status = 0
        self.bytes_out = 0
        self.rate_limit_fields = b""
        self.connection = None
        self.entered = None
        self.ends = NEVER
        self.attempts = None
        self.started = monotonic()
        self.drawn = drawn = next(client.plane.drawn)
        self.request_id = head.request_id or drawn[:32]
        self.body = RequestBody() if head.has_body else None
        self.decision_so_far = None
        self.pool = None
        self.gathered = None
        self.observer = None

    def __repr__(self) -> str:
        where = f" at {self.endpoint_url}" if self.pool is not None else ""
        stands = "over" if self.done else "responding" if self.response_started else "waiting"
        return f"<Exchange {self.method} {self.path}{where} {stands}{f' {self.status}' if self.status else ''}>"

    # 1. Deciding

    def start(self) -> None:
        """Decide, and send the request on its way or respond to it."""
        client = self.client
        plane = client.plane
        try:
            decision = self.decision_so_far = decide(plane.snapshot, self, self._identify)
        except UnknownKey as unknown_key:
            self.refetched = True
            client.deadline = plane.now + plane.refetch_deadline
            plane.refetch(unknown_key.provider, self)
            return
        except UnknownSession as unknown_session:
            # A name of its own: a compiled function has one type for each name.
            self.refetched = True
            calls = plane.sessions[unknown_session.provider]
            client.deadline = plane.now + calls.source.timeout + 1.0
            calls.ask(unknown_session.cookie, self)
            return
        if decision.refusal is not None:
            refuse(self, decision.refusal)
            return
        if decision.preflight is not None:
            respond_instead(self, 204, decision.preflight, b"")
            return
        if self.body is not None and is_too_large(self, self.body, decision.route):
            return
        assert decision.upstream is not None
        if decision.route is not None and decision.route.counted:
            counted_callers.see(self, decision, decision.route)
        self._first_attempt(decision.route, plane.pools[decision.upstream])

    def _identify(self, request: Request, requirement: AuthRequirement) -> Identity | Refusal | None:
        return identify(self, requirement)

    # What the rate limits of the route say

    def let_in(self, upstream: UpstreamPool, fields: bytes) -> None:
        """The rate limits admit the request; `fields` report them to the client."""
        self.rate_limit_fields = fields
        self._first_attempt(self.decision.route, upstream)

    def turn_away(self, refusal: Refusal, retry_after: float, fields: bytes = b"") -> None:
        """The rate limits do not let the request in before `retry_after` seconds from now."""
        self.rate_limit_fields = fields
        refuse(self, refusal, retry_after)

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
            or (self.body is not None and is_repeated(route, self.method))
            or (upstream.guarded and not enter_lightly(self, upstream))
        ):
            self.attempts = attempts = Attempts(self)
            attempts.prepare(route, upstream)
            return
        self.pool = pool = upstream.next(upstream.key_of(self, self.identity) if upstream.keyed else None)
        client.deadline = plane.now + timeouts.connect + 1.0
        # As `repeatable`, without a call.
        if self.body is None and self.method in SAFE:
            pool.request(self)
        else:
            pool.request_proven(self)

    def send_to(self, upstream: UpstreamPool) -> None:
        """Send the request to an endpoint of `upstream`, in an attempt that `attempts` makes."""
        if self.observer is not None:
            self.observer.next_attempt()
        route = self.decision.route
        timeouts = upstream.upstream.timeouts
        if route is not None and route.timeouts:
            timeouts = route.timeouts.get(upstream.upstream.name, timeouts)
        self.timeouts = timeouts
        assert self.attempts is not None
        self.pool = pool = self.attempts.next(upstream)
        self.client.deadline = self.client.plane.now + timeouts.connect + 1.0
        if self.repeatable:
            pool.request(self)
        else:
            pool.request_proven(self)

    def waits_for(self, pool: EndpointPool) -> bool:
        """Whether a connection of `pool` is still wanted."""
        return not self.done and self.connection is None and self.pool is pool

    def leave_pool(self) -> None:
        """A connection is no longer wanted."""
        if self.pool is not None:
            self.pool.forget(self)

    def send_on_fresh_connection(self) -> None:
        """Send the request once more to the same endpoint."""
        assert self.pool is not None
        self.pool.request(self, fresh=True)

    def move_to(self, pool: EndpointPool) -> None:
        """Another endpoint of the same name accepted a connection before the chosen one did."""
        self.pool = pool

    def _watch(self, observer: Observer | None) -> None:
        """Have `observer` look on from now, and see what has come of the request's body already."""
        self.observer = observer
        if observer is not None and self.body is not None:
            for part in self.body.parts:
                observer.request_body(part)

    # 3. Towards the upstream

    def connected(self, connection: UpstreamConnection) -> None:
        """Write the request, as far as it is there, to `connection`."""
        self.connection = connection
        connection.exchange = self
        client = self.client
        parts = head_sent(self)
        parts.append(b"\r\n")
        body = self.body
        if body is not None:
            length = self.head.content_length
            connection.carried_body = length is None or int(length[:20]) >= LARGE_BODY
            if body.parts:
                held = body.take()
                parts += held
                if self.attempts is not None:
                    self.attempts.keep_body(held)
                client.resume_reading()
        write_together(connection.transport, parts)
        silence = self.timeouts.response if self.request_complete else longest_silence(self)
        client.deadline = client.plane.now + silence

    # 4. From the upstream

    def whole_response(self, status: int, line: bytes, fields: bytes, body: bytes) -> None:
        """A response came in one piece; the connection is no longer this exchange's.

        `line` is its status line, `fields` are the lines of its head that go on, Content-Length among them.
        """
        if self.observer is not None:
            self.observer.whole_response(status, fields, body)
        self.connection = None
        self.bytes_out = len(body)
        pool = self.pool
        assert pool is not None
        if self.attempts is not None or status >= 400 or pool.watched:
            if not self._takes(status, fields):
                return
            if self.attempts is not None:
                self.attempts.copy_body(body)
        client = self.client
        out = head_for_client(self, self.decision_so_far, status, line, fields)
        out.append(body)
        write_together(client.transport, out)
        finish(self)

    def interim_response(self, status: int, line: bytes, fields: bytes) -> None:
        """Pass a 1xx on; HTTP/1.0 clients know none (RFC 9110 section 15.2)."""
        if self.head.minor >= 1:
            self.client.transport.write(b"%b%b\r\n" % (line, fields))

    def response_head(self, status: int, line: bytes, fields: bytes, delimited: bool) -> None:
        """The final response's head came in: frame it anew for the client, unless its end is `delimited`."""
        if self.observer is not None:
            self.observer.response_head(status, fields)
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
        self.framing = framing
        self.gathered = head_for_client(self, self.decision_so_far, status, line, fields)

    def response_body(self, body: bytes) -> None:
        """A part of the response's body came in."""
        self.bytes_out += len(body)
        if self.observer is not None:
            self.observer.response_body(body)
        if self.attempts is not None:
            self.attempts.copy_body(body)
        assert self.gathered is not None
        # Here and not in an object that writes responses: its calls would cost 5 % of a chunked response.
        if self.framing == IN_CHUNKS:
            self.gathered += (b"%x\r\n" % len(body), body, b"\r\n")
        else:
            self.gathered.append(body)

    def flush(self) -> None:
        """Write to the client what has gathered while one piece of input was parsed."""
        parts = self.gathered
        if parts:
            self.gathered = []
            client = self.client
            write_together(client.transport, parts)
            client.deadline = client.plane.now + self.timeouts.idle

    def response_complete(self) -> None:
        """The response's last byte came in; the connection is no longer this exchange's."""
        self.connection = None
        if self.gathered is not None:
            if self.framing == IN_CHUNKS:
                self.gathered.append(b"0\r\n\r\n")
            self.flush()
        finish(self)

    def _takes(self, status: int, fields: bytes) -> bool:
        """Whether the client gets a response with this status and these fields; else it gets another one."""
        pool = self.pool
        assert pool is not None
        if pool.watched:
            pool.owner.endpoint_answered(pool, status)
        if self.attempts is None:
            reported = status >= 500 and pool.owner.guarded
            if status < 400 or not (reported or is_failure(self.decision, status)):
                return True
        return self.care().take(status, fields)

    def switch_protocols(
        self, connection: UpstreamConnection, line: bytes, fields: bytes, upgrade: bytes, early: bytes
    ) -> bool:
        """Join both connections, as the upstream switches to `upgrade`; False where that was not asked for."""
        return switch_protocols(self, connection, line, fields, upgrade, early)

    def change_connection(self, pool: EndpointPool, connection: UpstreamConnection | None) -> None:
        """Go on with `connection`, of `pool`, where the response has begun; give up the one there is."""
        failures.drop_connection(self)
        self.pool = pool
        self.connection = connection
        if connection is not None:
            connection.exchange = self

    # When something goes wrong

    def connect_failed(self, status: int, detail: str) -> None:
        """No connection to the chosen endpoint."""
        failures.connect_failed(self, status, detail)

    def busy(self, detail: str) -> None:
        """There are too many requests at the chosen endpoint."""
        failures.busy(self, detail)

    def out_of_descriptors(self) -> None:
        """The gateway itself can't open a connection, which is not the upstream's failure."""
        failures.out_of_descriptors(self)

    def upstream_lost(self) -> None:
        """The connection ended before the response did."""
        failures.upstream_lost(self)

    def upstream_failed(self, cause: Cause, status: int, detail: str, *, blame: bool = True) -> None:
        """The upstream can't complete this attempt, by its own fault unless `blame` is false."""
        failures.upstream_failed(self, cause, status, detail, blame=blame)

    def care(self) -> Trying:
        """The attempts, for which there is now a reason."""
        if self.attempts is None:
            self.attempts = Attempts(self) if self.pool is None else Attempts.late(self, self.pool.owner)
        return self.attempts

    def note(self, reason: str) -> None:
        """Have the access log say why the gateway itself ended this."""
        if self.attempts is None:
            self.attempts = Attempts(self)
        self.attempts.reason = reason
