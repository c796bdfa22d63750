"""One call to a Django project's session endpoint: a request without a client that waits for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from strangler.proxy.upstream.request_without_client import RequestWithoutClient

if TYPE_CHECKING:
    from strangler.model.upstream import Timeouts
    from strangler.proxy.upstream.connection import UpstreamConnection
    from strangler.proxy.upstream.endpoint_pool import EndpointPool
    from strangler.resilience.retry import Cause

RESPONSE_BYTES = 65_536
"""The maximum body of a response; a token is a few hundred bytes."""


class SessionCall(RequestWithoutClient):
    """Sends `request` to an endpoint; `on_end` gets the status and the body, status 0 if there is no whole response."""

    __slots__ = ("_body", "_on_end", "_request", "_size", "_status")

    def __init__(self, request: bytes, timeouts: Timeouts, on_end: Callable[[int, bytes], None]) -> None:
        super().__init__("POST", timeouts)
        self._request = request
        self._on_end = on_end
        self._status = 0
        self._size = 0
        self._body: list[bytes] = []

    def __repr__(self) -> str:
        return f"<SessionCall {'over' if self.done else 'waiting'} {self._status or ''}>"

    def start(self, pool: EndpointPool) -> None:
        """Ask for a connection of `pool`, one that is known to work: the app accepts a signature once."""
        self._pool = pool
        pool.request_proven(self)

    def give_up(self) -> None:
        """End without a response."""
        if self.done:
            return
        self._hang_up()
        self._on_end(0, b"")

    # Called by connections and pools

    def connected(self, connection: UpstreamConnection) -> None:
        """Write the request."""
        self._connection = connection
        connection.exchange = self
        connection.transport.write(self._request)

    def out_of_descriptors(self) -> None:
        """Give up: this machine has no descriptor left."""
        self.give_up()

    def connect_failed(self, status: int, detail: str) -> None:
        """Give up: the endpoint can't be reached."""
        self.give_up()

    def busy(self, detail: str) -> None:
        """Give up: no connection is free."""
        self.give_up()

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
