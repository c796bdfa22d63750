"""The attempts to get a response for one exchange.

An exchange has Attempts from its start if its route or upstream requires them
(a total deadline, a guard, a hedge, a copy of the response) or if its body has
to be kept, otherwise from its first failure on. An exchange that succeeds at
once never has any.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orjson import dumps

from strangler.model.resilience import Retries
from strangler.model.route import Route
from strangler.proxy.exchange.admission import Guard
from strangler.proxy.exchange.failures import attempt_failed, fail
from strangler.proxy.exchange.hedging import Hedge, plan_hedge
from strangler.proxy.exchange.recovery import asked_to_wait, is_failure, recover, stale_key
from strangler.proxy.exchange.sending import send_body_again
from strangler.resilience.retry import Cause, Failure

if TYPE_CHECKING:
    from strangler.proxy.exchange.under_way import RequestUnderWay
    from strangler.proxy.upstream.connection import UpstreamConnection
    from strangler.proxy.upstream.endpoint_pool import EndpointPool, Owner
    from strangler.proxy.upstream.upstream_pool import UpstreamPool

LARGEST_COPY = 1_048_576
WITHOUT_ROUTE = Retries()


def is_repeated(route: Route | None, method: str) -> bool:
    """Whether a request by `route` may be sent again, so that its body has to be kept."""
    return method in (WITHOUT_ROUTE if route is None else route.retries).methods


class Attempts:
    """The attempts that were made for `exchange`, and the resources that they hold.

    `sent`: the request, or a part of it, may have had an effect. `kept`: the
    part of its body that was sent, to send it again; None if that is impossible.
    `copy`: the response so far, if it may be stored. `fallback`: what responds
    instead of the upstream (`legacy`, `stale`, `static`); `cause`: why.
    `reason`: why the client got no complete response of an upstream.
    `stale_connection`: a connection was used that the endpoint had closed while
    it was idle. `broken`: the client got only a part of a response.
    """

    __slots__ = (
        "_kept_bytes",
        "_upstream",
        "broken",
        "cause",
        "copy",
        "exchange",
        "fallback",
        "guard",
        "hedge",
        "kept",
        "reason",
        "retries",
        "sent",
        "stale_connection",
        "tried",
    )

    def __init__(self, exchange: RequestUnderWay) -> None:
        self.exchange = exchange
        self.sent = False
        self.retries = 0
        self.tried: set[str] = set()
        self.stale_connection = False
        self.fallback = ""
        self.reason = ""
        self.cause: Cause | None = None
        self.broken = False
        self.kept: list[bytes] | None = None
        self._kept_bytes = 0
        self._upstream: UpstreamPool | None = None
        self.copy: tuple[bytes, list[bytes]] | None = None
        self.guard: Guard | None = None
        self.hedge: Hedge | None = None

    @classmethod
    def late(cls, exchange: RequestUnderWay, upstream: Owner) -> Attempts:
        """Return attempts for an exchange that is under way at `upstream` and has had none so far."""
        attempts = cls(exchange)
        if upstream.guarded:
            attempts.guard = Guard.late(attempts, upstream)
        return attempts

    @property
    def settings(self) -> Retries:
        """The rules for sending the request again."""
        route = self.exchange.decision.route
        return WITHOUT_ROUTE if route is None else route.retries

    @property
    def repeatable(self) -> bool:
        """Whether all that was sent of the request can be sent again."""
        return not self.sent or not self.exchange.head.has_body or self.kept is not None

    def logged(self) -> str:
        """The attempts' part of the line in the access log."""
        text = f',"retries":{self.retries}' if self.retries else ""
        if self.reason:
            text += f',"reason":{dumps(self.reason).decode()}'
        if self.broken:
            text += ',"broken":true'
        return f'{text},"fallback":"{self.fallback}","cause":"{self.cause}"' if self.fallback else text

    # Beginning

    def prepare(self, route: Route | None, upstream: UpstreamPool) -> None:
        """Set up what `route` and `upstream` require, and make the first attempt."""
        exchange = self.exchange
        if exchange.head.has_body and is_repeated(route, exchange.method):
            self.kept = []
        if route is not None and route.hedging is not None:
            plan_hedge(self, route.hedging, upstream)
        self.start(upstream)

    def start(self, upstream: UpstreamPool) -> None:
        """Send the request to an endpoint of `upstream` once its guard admits it."""
        if self.kept:
            send_body_again(self.exchange, self.kept)
            self.kept = []
            self._kept_bytes = 0
        self._upstream = upstream
        if upstream.guarded:
            guard = self.guard = Guard(self, upstream)
            refused = guard.enter()
            if refused is not None:
                self.guard = None
                self.failed(refused)
                return
            if guard.waiting:
                return
        self.exchange.send_to(upstream)

    def admitted(self) -> None:
        """Send the request that has waited for the concurrency limit of its upstream."""
        guard = self.guard
        assert guard is not None
        assert self._upstream is not None
        guard.go()
        self.exchange.send_to(self._upstream)

    def next(self, upstream: UpstreamPool) -> EndpointPool:
        """Return the endpoint for the present attempt."""
        key = upstream.key_of(self.exchange, self.exchange.identity)
        another = upstream.next_but(self.tried, key) if self.tried else None
        return another or upstream.next(key)

    def keep_body(self, parts: list[bytes]) -> None:
        """Keep the parts of the body that were sent, to send them again, while they are small enough."""
        if self.kept is not None:
            self.kept += parts
            # Counted incrementally: a body may arrive in very many parts.
            self._kept_bytes += sum(map(len, parts))
            if self._kept_bytes > self.settings.body:
                self.kept = None

    # A response

    def take(self, status: int, fields: bytes) -> bool:
        """Whether the client gets the response with this status and these fields; if not, recovery has begun."""
        self.lose_hedge()
        if self.guard is not None:
            self.guard.answered(status)
        self.sent = True
        self.copy = None
        decision = self.exchange.decision
        if status >= 400 and is_failure(decision, status):
            self._leave_guard()
            if recover(self, Failure("status", status, "", True, asked_to_wait(fields))):
                return False
        if decision.route is not None and decision.route.fallback is not None:
            self._begin_copy(decision.route, status, fields)
        return True

    def _begin_copy(self, route: Route, status: int, fields: bytes) -> None:
        exchange = self.exchange
        answers = exchange.client.plane.stale_answers.get(route.name)
        if answers is None or exchange.head.has_body:
            # The response may depend on the body.
            return
        identified = exchange.certificate is not None or exchange.identity is not None
        if answers.may_keep(exchange.method, status, exchange.headers, fields, identified=identified):
            self.copy = (fields, [])

    def copy_body(self, body: bytes) -> None:
        """Copy a part of the response's body, if the response may be stored."""
        if self.copy is not None:
            self.copy[1].append(body)
            if self.exchange.bytes_out > LARGEST_COPY:
                self.copy = None

    # Failure and end

    def failed(self, failure: Failure) -> None:
        """An attempt failed before its response began: recover, or respond to the client with an error."""
        exchange = self.exchange
        self.copy = None
        if self.hedge is not None:
            # The hedge is under way and may still succeed; from now on its own timeout applies.
            exchange.client.deadline = exchange.client.plane.now + exchange.timeouts.response
            return
        self._leave_guard()
        if not recover(self, failure):
            fail(exchange, failure.status, failure.detail, failure.retry_after)

    def blame(self) -> None:
        """Record that the upstream failed to give a usable response."""
        if self.guard is not None:
            self.guard.failed()

    def expired(self) -> bool:
        """Whether the deadline that has passed was that of an admission or of the hedge, which then has failed."""
        guard, hedge = self.guard, self.hedge
        if guard is not None and guard.waiting:
            attempt_failed(self.exchange, guard.too_many())
        elif hedge is not None and self.exchange.connection is None:
            hedge.expired()
        else:
            return False
        return True

    def take_over(self, pool: EndpointPool, connection: UpstreamConnection | None) -> None:
        """The hedge, at `pool`, got a response first: its connection becomes the exchange's."""
        self.hedge = None
        self.exchange.change_connection(pool, connection)

    def hedge_failed(self, failure: Failure) -> None:
        """The hedge has failed; if the first try has failed too, so has the attempt."""
        self.hedge = None
        if self.exchange.connection is None:
            self.failed(failure)

    def lose_hedge(self) -> None:
        """Cancel the hedge, if there is one."""
        if self.hedge is not None:
            self.hedge.lose()
            self.hedge = None

    def over(self, *, whole: bool) -> None:
        """The exchange is over; `whole` is whether its response was complete."""
        self._leave_guard()
        self.lose_hedge()
        exchange = self.exchange
        route = exchange.decision.route if exchange.decided else None
        if whole and self.copy is not None and route is not None:
            answers = exchange.client.plane.stale_answers.get(route.name)
            if answers is not None:
                now = exchange.client.plane.loop.time()
                answers.keep(stale_key(exchange), exchange.headers, self.copy[0], b"".join(self.copy[1]), now)

    def _leave_guard(self) -> None:
        if self.guard is not None:
            self.guard.leave()
            self.guard = None

    def switched(self) -> None:
        """The exchange has become a tunnel, which no longer counts as a request."""
        if self.guard is not None:
            self.guard.answered(101)
        self._leave_guard()
