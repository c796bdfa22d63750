"""The attempts to have one exchange answered, as far as there is something special about them.

An exchange has Attempts from its start where its route or upstream asks for
something (a deadline for all of it, a guard, a hedge, a copy of the answer) or
its body has to be kept, and from its first failure on otherwise. What goes
straight through never has.
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
    """Whether a request by `route` may be sent again at all, so that its body has to be kept."""
    return method in (WITHOUT_ROUTE if route is None else route.retries).methods


class Attempts:
    """What was tried for `exchange` so far, and what it holds meanwhile.

    `sent` tells that the request, or a part of it, may have had an effect.
    `kept` is what was sent of its body, to send it again, None where that can't
    be done. `copy` is the answer as far as it came, where it may be kept.
    `fallback` is who answers instead of the upstream (`legacy`, `stale`,
    `static`), `cause` why. `reason` is why the client got no complete response of
    an upstream. `stale_connection` tells that a connection was met that the
    endpoint had closed while it was idle, `broken` that the client has got a
    part of a response and no more.
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
        """Those of an exchange that is under way, at `upstream`, and was nothing special so far."""
        attempts = cls(exchange)
        if upstream.guarded:
            attempts.guard = Guard.late(attempts, upstream)
        return attempts

    @property
    def settings(self) -> Retries:
        """When the request is sent again."""
        route = self.exchange.decision.route
        return WITHOUT_ROUTE if route is None else route.retries

    @property
    def repeatable(self) -> bool:
        """Whether all that was sent of the request can be sent again."""
        return not self.sent or not self.exchange.head.has_body or self.kept is not None

    def logged(self) -> str:
        """What the access log says of it."""
        text = f',"retries":{self.retries}' if self.retries else ""
        if self.reason:
            text += f',"reason":{dumps(self.reason).decode()}'
        if self.broken:
            text += ',"broken":true'
        return f'{text},"fallback":"{self.fallback}","cause":"{self.cause}"' if self.fallback else text

    # Beginning

    def prepare(self, route: Route | None, upstream: UpstreamPool) -> None:
        """See to what `route` and `upstream` ask, and make the first attempt."""
        exchange = self.exchange
        if exchange.head.has_body and is_repeated(route, exchange.method):
            self.kept = []
        if route is not None and route.hedging is not None:
            plan_hedge(self, route.hedging, upstream)
        self.start(upstream)

    def start(self, upstream: UpstreamPool) -> None:
        """Send the request to an endpoint of `upstream`, once its guard lets it in."""
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
        """The turn of this exchange has come at its upstream."""
        guard = self.guard
        assert guard is not None
        assert self._upstream is not None
        guard.go()
        self.exchange.send_to(self._upstream)

    def next(self, upstream: UpstreamPool) -> EndpointPool:
        """The endpoint for the attempt that is made now."""
        key = upstream.key_of(self.exchange, self.exchange.identity)
        another = upstream.next_but(self.tried, key) if self.tried else None
        return another or upstream.next(key)

    def keep_body(self, parts: list[bytes]) -> None:
        """Keep what was sent of the body, to send it again, while it is small enough."""
        if self.kept is not None:
            self.kept += parts
            # Counted along the way: a body may come in very many parts.
            self._kept_bytes += sum(map(len, parts))
            if self._kept_bytes > self.settings.body:
                self.kept = None

    # A response

    def take(self, status: int, fields: bytes) -> bool:
        """Whether a response with this status and these fields is the answer; else somebody else gives one."""
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
            # Of a request with a body the answer may depend on it.
            return
        identified = exchange.certificate is not None or exchange.identity is not None
        if answers.may_keep(exchange.method, status, exchange.headers, fields, identified=identified):
            self.copy = (fields, [])

    def copy_body(self, body: bytes) -> None:
        """A part of the answer's body, which may be kept."""
        if self.copy is not None:
            self.copy[1].append(body)
            if self.exchange.bytes_out > LARGEST_COPY:
                self.copy = None

    # Failure and end

    def failed(self, failure: Failure) -> None:
        """An attempt failed before its response began: have somebody answer all the same, or tell the client."""
        exchange = self.exchange
        self.copy = None
        if self.hedge is not None:
            # The second try is under way, and may do better, once: what expires then is its own time.
            exchange.client.deadline = exchange.client.plane.now + exchange.timeouts.response
            return
        self._leave_guard()
        if not recover(self, failure):
            fail(exchange, failure.status, failure.detail, failure.retry_after)

    def blame(self) -> None:
        """No usable response came, by the upstream's fault."""
        if self.guard is not None:
            self.guard.failed()

    def expired(self) -> bool:
        """Whether the deadline that has passed was that of a turn or of the hedge, which is then seen to."""
        guard, hedge = self.guard, self.hedge
        if guard is not None and guard.waiting:
            attempt_failed(self.exchange, guard.too_many())
        elif hedge is not None and self.exchange.connection is None:
            hedge.expired()
        else:
            return False
        return True

    def take_over(self, pool: EndpointPool, connection: UpstreamConnection | None) -> None:
        """The hedge is answered first, at `pool`: its connection is the exchange's now."""
        self.hedge = None
        self.exchange.change_connection(pool, connection)

    def hedge_failed(self, failure: Failure) -> None:
        """The hedge can't answer; where the first try could not either, the attempt has failed."""
        self.hedge = None
        if self.exchange.connection is None:
            self.failed(failure)

    def lose_hedge(self) -> None:
        """The second try, if there is one, can't count any more."""
        if self.hedge is not None:
            self.hedge.lose()
            self.hedge = None

    def over(self, *, whole: bool) -> None:
        """The exchange is over; `whole` tells that its answer was complete."""
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
        """The exchange has become a tunnel, which is nobody's request any more."""
        if self.guard is not None:
            self.guard.answered(101)
        self._leave_guard()
