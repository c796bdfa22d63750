"""An upstream: its endpoints, and how the gateway speaks to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from strangler.model.folding import EXACT
from strangler.model.resilience import Balancing, BreakerSettings, Concurrency, Ejection, Resolve, RetryBudget


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Deadlines, in seconds; `total` None sets no end to a whole exchange."""

    connect: float = 2.0
    response: float = 30.0
    idle: float = 60.0
    tunnel: float = 3600.0
    total: float | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One base URL of an upstream, taken apart.

    `tls` is set where it is https, `weight` is its share of the requests beside
    the others', `name` the host that `host` is an address of, where it was looked up.
    """

    url: str
    host: str
    port: int
    host_header: bytes
    tls: bool = False
    weight: int = 1
    name: str = ""

    @property
    def certified_name(self) -> str:
        """The name that a certificate of it holds: without the dot that ends a name in DNS (RFC 6066 section 3)."""
        return (self.name or self.host).rstrip(".")


@dataclass(frozen=True, slots=True)
class UpstreamTls:
    """TLS settings for connections to https endpoints.

    With `ca` None the machine's authorities are trusted; `server_name` None is
    the endpoint's host. `certificate` and `key` are those that the gateway
    presents. If `close_notify` is required, a response that ends with the
    connection is complete only with that alert.
    """

    ca: bytes | None = None
    server_name: str | None = None
    verify: bool = True
    certificate: bytes | None = None
    key: bytes | None = field(default=None, repr=False)
    close_notify: Literal["required", "optional"] = "required"


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """Active health checks, made by the control process."""

    path: str
    interval: float = 5.0
    timeout: float = 2.0
    status: frozenset[int] = frozenset({200})
    unhealthy_after: int = 3
    healthy_after: int = 2


@dataclass(frozen=True, slots=True)
class Upstream:
    """A named group of endpoints that serve the same thing.

    `connections` bounds the connections of one worker to one endpoint;
    `queue` bounds the requests of one worker that wait for one of them.
    `host` selects the Host that it gets, the client's or the endpoint's.
    `upgrades` are the protocols, in lower case, to which a request may switch.
    `folding` are the paths that it treats as the same (`strangler.model.folding`).
    `bare_lf` accepts lines of a response that end without a carriage return.
    `ejection`, `breaker` and `concurrency` None do without; `resolve` None
    looks a name up when a connection is made, and takes the first address that
    accepts one.
    """

    name: str
    endpoints: tuple[Endpoint, ...]
    timeouts: Timeouts = Timeouts()
    health: HealthCheck | None = None
    connections: int = 512
    idle_connections: int = 128
    keep_alive: float = 55.0
    queue: int = 1024
    host: Literal["preserve", "endpoint"] = "preserve"
    upgrades: frozenset[str] = frozenset({"websocket"})
    tls: UpstreamTls = UpstreamTls()
    folding: int = EXACT
    bare_lf: bool = False
    resolve: Resolve | None = None
    balancing: Balancing = Balancing()
    ejection: Ejection | None = Ejection()
    breaker: BreakerSettings | None = None
    retry_budget: RetryBudget = RetryBudget()
    concurrency: Concurrency | None = None
