"""Interfaces that connections and pools depend on: the worker, and a request that waits for its turn."""

from __future__ import annotations

from collections.abc import Set
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio

    from strangler.model.resilience import BreakerSettings
    from strangler.observe.counters import Counters
    from strangler.resilience.breaker import Breaker


class RequestSource(Protocol):
    """The client's connection, which may have to wait."""

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Admitted(Protocol):
    """A request that waits for its turn under a concurrency limit."""

    def admitted(self) -> None:
        """Proceed: the request's turn has come."""


class UpstreamWorker(Protocol):
    """The worker that owns the pools; `down` are the endpoints, by upstream and URL, that health checks found down."""

    @property
    def now(self) -> float: ...

    @property
    def loop(self) -> asyncio.AbstractEventLoop: ...

    @property
    def counters(self) -> Counters: ...

    @property
    def date_line(self) -> bytes: ...

    @property
    def takes_plain(self) -> bool: ...

    @property
    def down(self) -> Set[tuple[str, str]]: ...

    def new_breaker(self, settings: BreakerSettings, upstream: str) -> Breaker: ...

    def notice(self, event: str, upstream: str, endpoint: str = "", **fields: str | int) -> None: ...

    def out_of_descriptors(self, doing: str, **fields: str | int) -> None: ...
