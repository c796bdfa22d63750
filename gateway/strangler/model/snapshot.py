"""The snapshot: the whole routing state, compiled and immutable.

The control process compiles one from the YAML and sends it to every worker;
a worker swaps it between two requests. Nothing here is changed once built,
and everything here can be pickled: no sockets, no locks, no key objects.

Units: durations are seconds, sizes are bytes, percentages are 0 to 100.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from strangler.model.auth import Provider
from strangler.model.changes import Changes
from strangler.model.dropped_fields import Sender
from strangler.model.folding import EXACT
from strangler.model.listener import AccessLog, Limits, ListenAddress, ListenerTls, VisitorCookie
from strangler.model.migration import Migration
from strangler.model.rate_limits import Redis
from strangler.model.route import Route
from strangler.model.route_index import RouteIndex
from strangler.model.upstream import Upstream


@dataclass(frozen=True, slots=True)
class Store:
    """Where the gateway keeps what must outlive it: a SQLAlchemy URL; a SQLite file's path is absolute once loaded."""

    url: str = field(default="sqlite:///var/strangler.sqlite3", repr=False)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything a worker must know to serve requests.

    `version` is the digest of the configuration that it was compiled from.
    `routes[0]` to the last stand in the order of the file; `index` finds the
    one that matches. `folded` has an index for each way in which upstreams fold
    paths (`strangler.model.folding`), None where none does; `default_folding` is
    that of `default`. `default_changes` are those on the way to `default`.
    `pass_headers` are folded names (`strangler.model.dropped_fields`).
    """

    version: str
    listen: ListenAddress
    admin: ListenAddress
    providers: Mapping[str, Provider]
    upstreams: Mapping[str, Upstream]
    migrations: Mapping[str, Migration]
    routes: tuple[Route, ...]
    index: RouteIndex
    default: str | None
    default_folding: int = EXACT
    folded: Mapping[int, RouteIndex] | None = None
    trusted_proxies: tuple[str, ...] = ()
    trusted_header: Literal["X-Forwarded-For", "Forwarded"] = "X-Forwarded-For"
    proxy_protocol: bool = False
    pass_headers: Mapping[str, Sender] = field(default_factory=dict)
    default_changes: Changes | None = None
    limits: Limits = Limits()
    access_log: AccessLog = AccessLog()
    store: Store = Store()
    drain: float = 30.0
    delay: float = 0.0
    hang: float = 30.0
    redis: Redis | None = None
    tls: ListenerTls | None = None
    visitor_cookie: VisitorCookie = VisitorCookie()
