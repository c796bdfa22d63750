"""What connections and pools need of whoever sends a request: an exchange with its client, or a copy without one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from strangler.model.snapshot import Snapshot
    from strangler.model.upstream import Timeouts
    from strangler.proxy.exchange.exchange import Exchange
    from strangler.proxy.upstream.connection import UpstreamConnection
    from strangler.proxy.upstream.endpoint_pool import EndpointPool
    from strangler.proxy.upstream.upstream_pool import UpstreamPool
    from strangler.resilience.retry import Cause
    from strangler.routing.decide import Decision


class Source(Protocol):
    """Where a request comes from, which may have to wait."""

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Requester(Protocol):
    """Sends one request and takes its response; the methods are those of Exchange."""

    method: str
    request_complete: bool
    response_started: bool
    done: bool
    pending_out: list[bytes]
    timeouts: Timeouts

    @property
    def client(self) -> Source: ...

    @property
    def repeatable(self) -> bool:
        """Whether it is sent once more where its connection turns out to have been closed while it was idle."""

    def waits_for(self, pool: EndpointPool) -> bool: ...

    def move_to(self, pool: EndpointPool) -> None: ...

    def connected(self, connection: UpstreamConnection) -> None: ...

    def connect_failed(self, status: int, detail: str) -> None: ...

    def busy(self, detail: str) -> None: ...

    def out_of_descriptors(self) -> None: ...

    def interim_response(self, status: int, line: bytes, fields: bytes) -> None: ...

    def switch_protocols(
        self, connection: UpstreamConnection, line: bytes, fields: bytes, upgrade: bytes, early: bytes
    ) -> bool: ...

    def whole_response(self, status: int, line: bytes, fields: bytes, body: bytes) -> None: ...

    def response_head(self, status: int, line: bytes, fields: bytes, delimited: bool) -> None: ...

    def response_body(self, body: bytes) -> None: ...

    def flush(self) -> None: ...

    def response_complete(self) -> None: ...

    def upstream_lost(self) -> None: ...

    def upstream_failed(self, cause: Cause, status: int, detail: str, *, blame: bool = True) -> None: ...


class Mirroring(Protocol):
    """Copies requests of shadowed routes to the other side."""

    def apply(self, snapshot: Snapshot) -> None:
        """Copy by `snapshot` from the next request on."""

    def begin(self, exchange: Exchange, decision: Decision) -> None:
        """Watch `exchange`, which is about to be sent by a shadowed route."""

    def upstreams(self) -> Iterable[UpstreamPool]:
        """The pools of its own, which are told what becomes of endpoints like all others."""

    def tick(self, now: float) -> None:
        """Keep deadlines; `now` is the loop's time."""
