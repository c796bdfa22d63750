"""The worker as its client connections see it; `DataPlane` is one."""

from __future__ import annotations

from typing import Any, Protocol

from strangler.proxy.exchange.under_way import ExchangeWorker
from strangler.proxy.http.headers import Actions
from strangler.routing.trust import TrustedProxies


class Worker(ExchangeWorker, Protocol):
    """What all connections of a worker share.

    `now` is the loop's time at the last tick. `generation` changes with the
    snapshot and the keys. `addresses` counts connections by network, and
    `turned_away` those beyond the maximum that still get an error response.
    `clients` are the connections themselves, but those that became tunnels.
    `takes_plain` tells whether plain messages are read without the parser.
    """

    clients: set[Any]
    accepting: bool
    trusted_proxies: TrustedProxies
    request_actions: Actions
    addresses: dict[str, int]
    turned_away: int
    takes_plain: bool

    def new_request_id(self) -> bytes:
        """A request id for what arrived without one."""

    def client_closed(self) -> None:
        """A client's connection is gone."""
