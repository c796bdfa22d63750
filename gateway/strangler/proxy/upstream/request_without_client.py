"""A request that the gateway sends of its own accord: it is written at once, and no client waits for its response."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from strangler.model.upstream import Timeouts
    from strangler.proxy.upstream.connection import UpstreamConnection
    from strangler.proxy.upstream.endpoint_pool import EndpointPool
    from strangler.resilience.retry import Cause


class _NoClient:
    """A stand-in for the client: the whole request is already there."""

    def pause_reading(self) -> None:
        """Do nothing when the upstream reads slowly."""

    def resume_reading(self) -> None:
        """Do nothing when the upstream reads again."""


_NO_CLIENT = _NoClient()


class RequestWithoutClient(ABC):
    """What such requests have in common as a `Requester` (endpoint_pool); what becomes of them is up to each kind."""

    __slots__ = (
        "_connection",
        "_pool",
        "client",
        "done",
        "method",
        "request_complete",
        "response_started",
        "timeouts",
    )

    def __init__(self, method: str, timeouts: Timeouts) -> None:
        self.method = method
        self.timeouts = timeouts
        self.client = _NO_CLIENT
        self.request_complete = True
        self.response_started = False
        self.done = False
        self._pool: EndpointPool | None = None
        self._connection: UpstreamConnection | None = None

    def _hang_up(self) -> None:
        """Be done: close the connection, or ask for none any more."""
        self.done = True
        connection = self._connection
        if connection is not None:
            self._connection = None
            connection.discard()
        elif self._pool is not None:
            self._pool.forget(self)

    # Called by connections and pools

    @property
    def repeatable(self) -> bool:
        """Never, so it gets no stale connection: a fault of the other side would have to happen twice."""
        return False

    def waits_for(self, pool: EndpointPool) -> bool:
        """Return whether a connection of `pool` is still wanted."""
        return not self.done and self._connection is None and self._pool is pool

    def move_to(self, pool: EndpointPool) -> None:
        """Record that another endpoint of the same name accepted a connection before the chosen one."""
        self._pool = pool

    def interim_response(self, status: int, line: bytes, fields: bytes) -> None:
        """Ignore a 1xx."""
        return

    def switch_protocols(
        self, connection: UpstreamConnection, line: bytes, fields: bytes, upgrade: bytes, early: bytes
    ) -> bool:
        """Refuse: no other protocol was requested."""
        return False

    def flush(self) -> None:
        """Do nothing: no client waits for the data so far."""
        return

    # What each kind decides itself

    @abstractmethod
    def connected(self, connection: UpstreamConnection) -> None: ...

    @abstractmethod
    def connect_failed(self, status: int, detail: str) -> None: ...

    @abstractmethod
    def busy(self, detail: str) -> None: ...

    @abstractmethod
    def out_of_descriptors(self) -> None: ...

    @abstractmethod
    def whole_response(self, status: int, line: bytes, fields: bytes, body: bytes) -> None: ...

    @abstractmethod
    def response_head(self, status: int, line: bytes, fields: bytes, delimited: bool) -> None: ...

    @abstractmethod
    def response_body(self, body: bytes) -> None: ...

    @abstractmethod
    def response_complete(self) -> None: ...

    @abstractmethod
    def upstream_lost(self) -> None: ...

    @abstractmethod
    def upstream_failed(self, cause: Cause, status: int, detail: str, *, blame: bool = True) -> None: ...
