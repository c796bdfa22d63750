"""One call to a Django project's session endpoint: a request without a client that waits for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from strangler.model.upstream import Timeouts
    from strangler.proxy.upstream.connection import UpstreamConnection
    from strangler.proxy.upstream.endpoint_pool import EndpointPool
    from strangler.resilience.retry import Cause

RESPONSE_BYTES = 65_536
"""The maximum body of a response; a token is a few hundred bytes."""


class _NoClient:
    """A stand-in for the client: the request is written at once, and its response is short."""

    def pause_reading(self) -> None:
        """Do nothing when the upstream reads slowly."""

    def resume_reading(self) -> None:
        """Do nothing when the upstream reads again."""


_NO_CLIENT = _NoClient()


class SessionCall:
    """Sends `request` to an endpoint; `on_end` gets the status and the body, status 0 if there is no whole response."""

    __slots__ = (
        "_body",
        "_connection",
        "_on_end",
        "_pool",
        "_request",
        "_size",
        "_status",
        "client",
        "done",
        "method",
        "request_complete",
        "response_started",
        "timeouts",
    )

    def __init__(self, request: bytes, timeouts: Timeouts, on_end: Callable[[int, bytes], None]) -> None:
        self.method = "POST"
        self.client = _NO_CLIENT
        self.timeouts = timeouts
        self.request_complete = True
        self.response_started = False
        self.done = False
        self._request = request
        self._on_end = on_end
        self._pool: EndpointPool | None = None
        self._connection: UpstreamConnection | None = None
        self._status = 0
        self._size = 0
        self._body: list[bytes] = []

    def __repr__(self) -> str:
        return f"<SessionCall {'over' if self.done else 'waiting'} {self._status or ''}>"

    def start(self, pool: EndpointPool) -> None:
        """Ask for a connection of `pool`, one that is known to work: the call is not repeated."""
        self._pool = pool
        pool.request_proven(self)

    def give_up(self) -> None:
        """End without a response."""
        if self.done:
            return
        connection, self._connection = self._connection, None
        self.done = True
        if connection is not None:
            connection.discard()
        elif self._pool is not None:
            self._pool.forget(self)
        self._on_end(0, b"")

    # Called by connections and pools

    @property
    def repeatable(self) -> bool:
        """Never: the app accepts a signature once."""
        return False

    def connected(self, connection: UpstreamConnection) -> None:
        """Write the request."""
        self._connection = connection
        connection.exchange = self
        connection.transport.write(self._request)

    def waits_for(self, pool: EndpointPool) -> bool:
        """Return whether a connection of `pool` is still wanted."""
        return not self.done and self._connection is None and self._pool is pool

    def move_to(self, pool: EndpointPool) -> None:
        """Record that another endpoint of the same name accepted a connection first."""
        self._pool = pool

    def out_of_descriptors(self) -> None:
        """Give up: this machine has no descriptor left."""
        self.give_up()

    def connect_failed(self, status: int, detail: str) -> None:
        """Give up: the endpoint can't be reached."""
        self.give_up()

    def busy(self, detail: str) -> None:
        """Give up: no connection is free."""
        self.give_up()

    def interim_response(self, status: int, line: bytes, fields: bytes) -> None:
        """Ignore a 1xx."""

    def switch_protocols(
        self, connection: UpstreamConnection, line: bytes, fields: bytes, upgrade: bytes, early: bytes
    ) -> bool:
        """Refuse: no other protocol was requested."""
        return False

    def whole_response(self, status: int, line: bytes, fields: bytes, body: bytes) -> None:
        """Take a response that arrived in one piece; its connection no longer belongs to this call."""
        self._connection = None
        self._status = status
        self._body = [body]
        self.response_complete()

    def response_head(self, status: int, line: bytes, fields: bytes, delimited: bool) -> None:
        """Take the head of a response whose body follows."""
        self.response_started = True
        self._status = status

    def response_body(self, body: bytes) -> None:
        """Take a part of the response's body."""
        self._size += len(body)
        if self._size > RESPONSE_BYTES:
            self.give_up()
        else:
            self._body.append(body)

    def flush(self) -> None:
        """Do nothing: nothing is forwarded."""

    def response_complete(self) -> None:
        """Report the response."""
        self._connection = None
        if not self.done:
            self.done = True
            self._on_end(self._status, b"".join(self._body))

    def upstream_lost(self) -> None:
        """Give up: the connection ended early."""
        self._connection = None
        self.give_up()

    def upstream_failed(self, cause: Cause, status: int, detail: str, *, blame: bool = True) -> None:
        """Give up: the response is malformed."""
        self.give_up()
