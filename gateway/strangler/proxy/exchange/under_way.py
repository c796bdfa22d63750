"""Protocols of a request in progress, its client and its worker, as the parts of an exchange use them.

Exchange (exchange.py) is the one implementation. Its parts (attempts, recovery,
hedging, admission, tunnel, response) and the observer of a shadowed one import
this module alone, so that imports go one way (decision 0026).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Literal, Protocol

from strangler.model.methods import SAFE
from strangler.routing.request import Request

if TYPE_CHECKING:
    import asyncio

    from strangler.auth.certificate import ClientCertificate
    from strangler.auth.identity import Identity
    from strangler.auth.verify import Verifier
    from strangler.model.snapshot import Snapshot
    from strangler.model.upstream import Timeouts
    from strangler.observe.access_log import AccessLogWriter
    from strangler.observe.callers import CallerTally
    from strangler.observe.counters import Counters
    from strangler.proxy.exchange.excuse import Excuse
    from strangler.proxy.exchange.request_body import RequestBody
    from strangler.proxy.exchange.request_head import RequestHead
    from strangler.proxy.http.broken import ResetWhenSent
    from strangler.proxy.rate_limits.limiter import RateLimiter
    from strangler.proxy.sessions.calls import SessionCalls
    from strangler.proxy.upstream.connection import UpstreamConnection
    from strangler.proxy.upstream.endpoint_pool import EndpointPool
    from strangler.proxy.upstream.upstream_pool import UpstreamPool
    from strangler.proxy.upstream.worker import Admitted
    from strangler.resilience.breaker import Breaker
    from strangler.resilience.concurrency import ConcurrencyLimit
    from strangler.resilience.retry import Failure
    from strangler.resilience.stale import StaleAnswers
    from strangler.routing.decide import Decision

NEVER = float("inf")


class RequestUnderWay(Request):
    """A request, the state of its response, and the actions that continue it.

    `entered` is the concurrency limit that it runs under, where no guard of its
    attempts sees to that. `ends` is when the whole exchange has to be over, by
    the loop's time. `timeouts` are those of the newest attempt, none before the
    first. `drawn` is what was drawn for its ids. `pool` is that of the newest attempt.
    `gathered` is what came of a response in parts since the last write, None before
    its head, and `framing` tells the client where its body ends; see `response`.
    """

    __slots__ = (
        "attempts",
        "body",
        "bytes_out",
        "client",
        "connection",
        "decision_so_far",
        "done",
        "drawn",
        "ends",
        "entered",
        "framing",
        "gathered",
        "head",
        "keep_alive",
        "observer",
        "pool",
        "rate_limit_fields",
        "refetched",
        "request_complete",
        "request_id",
        "response_started",
        "started",
        "status",
        "timeouts",
    )

    client: Client
    head: RequestHead
    request_id: bytes
    keep_alive: bool
    done: bool
    request_complete: bool
    response_started: bool
    status: int
    bytes_out: int
    rate_limit_fields: bytes
    refetched: bool
    connection: UpstreamConnection | None
    entered: ConcurrencyLimit[Admitted] | None
    ends: float
    timeouts: Timeouts
    attempts: Trying | None
    body: RequestBody | None
    decision_so_far: Decision | None
    drawn: bytes
    framing: int
    gathered: list[bytes] | None
    observer: Observer | None
    pool: EndpointPool | None
    started: float

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """Names and values as received."""
        return self.head.fields

    @property
    def request(self) -> Request:
        """The request, for those that need to know no more."""
        return self

    @property
    def decision(self) -> Decision:
        """What was decided; asked once it was."""
        assert self.decision_so_far is not None
        return self.decision_so_far

    @property
    def decided(self) -> bool:
        """Whether it is decided where the request goes."""
        return self.decision_so_far is not None

    @property
    def identity(self) -> Identity | None:
        """Who is calling; asked once it was decided."""
        return self.decision.identity

    @property
    def endpoint_url(self) -> str:
        """The endpoint of the newest attempt."""
        return self.pool.endpoint.url if self.pool is not None else ""

    @property
    def repeatable(self) -> bool:
        """Whether it is sent once more where its connection turns out to have been closed while it was idle."""
        return self.body is None and self.method in SAFE

    @abstractmethod
    def start(self) -> None:
        """Decide, and send the request on its way or respond to it."""

    # Results of attempts

    @abstractmethod
    def send_to(self, upstream: UpstreamPool) -> None:
        """Send the request to an endpoint of `upstream`."""

    @abstractmethod
    def change_connection(self, pool: EndpointPool, connection: UpstreamConnection | None) -> None:
        """Go on with `connection`, of `pool`, where the response has begun; give up the one there is."""

    @abstractmethod
    def out_of_descriptors(self) -> None:
        """The gateway itself can open no connection."""

    @abstractmethod
    def whole_response(self, status: int, line: bytes, fields: bytes, body: bytes) -> None:
        """A response came in one piece."""

    @abstractmethod
    def response_head(self, status: int, line: bytes, fields: bytes, delimited: bool) -> None:
        """The final response's head came in."""

    @abstractmethod
    def flush(self) -> None:
        """Write to the client what has gathered while one piece of input was parsed."""

    @abstractmethod
    def send_on_fresh_connection(self) -> None:
        """Send the request once more to the same endpoint."""

    @abstractmethod
    def leave_pool(self) -> None:
        """A connection is no longer wanted."""

    # Endings

    @abstractmethod
    def care(self) -> Trying:
        """The attempts, for which there is now a reason."""

    @abstractmethod
    def note(self, reason: str) -> None:
        """Have the access log say why the gateway itself ended this."""


class Trying(Protocol):
    """The attempts of an exchange, as far as failures and the end of it concern them; see Attempts."""

    sent: bool
    stale_connection: bool
    fallback: str
    reason: str
    broken: bool

    def next(self, upstream: UpstreamPool) -> EndpointPool: ...

    def take(self, status: int, fields: bytes) -> bool: ...

    def failed(self, failure: Failure) -> None: ...

    def blame(self) -> None: ...

    def expired(self) -> bool: ...

    def keep_body(self, parts: list[bytes]) -> None: ...

    def copy_body(self, body: bytes) -> None: ...

    def switched(self) -> None: ...

    def lose_hedge(self) -> None: ...

    def over(self, *, whole: bool) -> None: ...

    def logged(self) -> str: ...


class Client:
    """What an exchange needs of its client's connection, which is one.

    A base class, not a protocol: compiled code then reads an attribute from its place in memory (decision 0031).
    """

    __slots__ = (
        "certificate",
        "deadline",
        "forwarded",
        "forwarded_element",
        "is_reading",
        "peer",
        "plane",
        "requests_left",
        "scheme",
        "transport",
    )

    deadline: float
    requests_left: int
    peer: str
    scheme: str
    certificate: ClientCertificate | None
    forwarded: bytes
    forwarded_element: str
    plane: ExchangeWorker
    transport: asyncio.Transport
    is_reading: bool

    @abstractmethod
    def pause_reading(self) -> None:
        """Read nothing more for now."""

    @abstractmethod
    def resume_reading(self) -> None:
        """Read on."""

    @abstractmethod
    def hand_over(self) -> tuple[bytes, bool, bool]:
        """Give the transport away to a tunnel."""

    @abstractmethod
    def exchange_finished(self, exchange: RequestUnderWay) -> None:
        """The response of `exchange` is complete."""

    @abstractmethod
    def break_off(self, exchange: RequestUnderWay, *, framed: bool) -> None:
        """The response of `exchange` ends before its end; unless `framed`, only a reset tells the client."""

    @abstractmethod
    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""


class ExchangeWorker(Protocol):
    """What an exchange needs of the worker that it runs in."""

    @property
    def now(self) -> float: ...

    @property
    def loop(self) -> asyncio.AbstractEventLoop: ...

    @property
    def timestamp(self) -> str: ...

    @property
    def draining(self) -> bool: ...

    @property
    def snapshot(self) -> Snapshot: ...

    @property
    def generation(self) -> int: ...

    @property
    def drawn(self) -> Iterator[bytes]: ...

    @property
    def pools(self) -> Mapping[str, UpstreamPool]: ...

    @property
    def side_breakers(self) -> Mapping[tuple[str, str], Breaker]: ...

    @property
    def stale_answers(self) -> Mapping[str, StaleAnswers]: ...

    @property
    def verifiers(self) -> Mapping[str, Verifier]: ...

    @property
    def sessions(self) -> Mapping[str, SessionCalls]: ...

    @property
    def counters(self) -> Counters: ...

    @property
    def callers(self) -> CallerTally: ...

    @property
    def access_log(self) -> AccessLogWriter | None: ...

    @property
    def rate_limiter(self) -> RateLimiter: ...

    @property
    def mirror(self) -> Mirroring | None: ...

    @property
    def tunnels(self) -> set[OpenTunnel]: ...

    @property
    def breaking(self) -> set[ResetWhenSent]: ...

    @property
    def refetch_deadline(self) -> float: ...

    def may_refetch(self, provider: str) -> bool: ...

    def refetch(self, provider: str, exchange: RequestUnderWay) -> None: ...

    def notice(self, event: str, upstream: str, endpoint: str = "", **fields: str | int) -> None: ...


class Observer(Protocol):
    """Is called with the events of one exchange in their order; an exchange without an observer pays one test."""

    def request_body(self, part: bytes) -> None:
        """A part of the request's body, in the framing in which it is sent."""

    def whole_response(self, status: int, fields: bytes, body: bytes) -> None:
        """A response that came in one piece: `fields` are whole lines."""

    def response_head(self, status: int, fields: bytes) -> None:
        """The head of a response whose body follows."""

    def response_body(self, part: bytes) -> None:
        """A part of the response's body, without transfer coding."""

    def next_attempt(self) -> None:
        """Another attempt is made: the client does not get what came of the one before."""

    def excuse(self, excuse: Excuse) -> None:
        """The exchange goes on or ends in a way that is not the side's doing."""

    def own_response(self) -> None:
        """The gateway responds itself, or breaks off the response that has begun."""

    def ended(self, exchange: RequestUnderWay, status: int, seconds: float) -> None:
        """The exchange is over after `seconds`, with the status that is logged."""


class Mirroring(Protocol):
    """Copies requests of shadowed routes to the other side."""

    def apply(self, snapshot: Snapshot) -> None:
        """Copy by `snapshot` from the next request on."""

    def begin(self, exchange: RequestUnderWay, decision: Decision) -> Observer | None:
        """What observes `exchange`, which is about to be sent by a shadowed route; None where it is not copied."""

    def upstreams(self) -> Iterable[UpstreamPool]:
        """The pools of its own, which learn what becomes of endpoints like all others."""

    def tick(self, now: float) -> None:
        """Keep deadlines; `now` is the loop's time."""


class OpenTunnel(Protocol):
    """A tunnel, as its worker keeps its time."""

    deadline: float

    def expired(self) -> None: ...

    def go_away(self, reason: Literal["drained", "idle"]) -> None: ...

    def abort(self) -> None: ...
