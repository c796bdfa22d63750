"""The snapshot: the whole routing state, compiled and immutable.

The control process compiles one from the YAML and sends it to every worker;
a worker swaps it between two requests. Nothing here is changed once built,
and everything here can be pickled: no sockets, no locks, no key objects.

Units: durations are seconds, sizes are bytes, percentages are 0 to 100.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from strangler.model.changes import Changes, Cors
from strangler.model.dropped_fields import Sender
from strangler.model.folding import EXACT
from strangler.model.resilience import (
    Balancing,
    Breaker,
    Concurrency,
    Ejection,
    Hedging,
    LegacyFallback,
    Resolve,
    Retries,
    RetryBudget,
    RouteFallback,
)

if TYPE_CHECKING:
    from strangler.model.route_index import RouteIndex

SideName = Literal["legacy", "extracted"]


class Stage(StrEnum):
    """Where a migration stands, in the order in which it moves."""

    LEGACY = "legacy"
    SHADOW = "shadow"
    CANARY = "canary"
    EXTRACTED = "extracted"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class Source:
    """Where in the configuration something was said, for messages to people."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Provider:
    """Who issues tokens and how they are verified.

    Exactly one of `jwks_file`, `jwks_url`, `discovery_url` and `secret` is set:
    the key set's file, its URL, the OpenID discovery document's URL, or the
    shared secret of HS algorithms. `issuer` and `audiences` are None where a
    token of an own secret need not say who issued it, and for whom. `claims` are
    those that every token must have, with their values.
    """

    name: str
    issuer: str | None
    audiences: tuple[str, ...] | None
    algorithms: tuple[str, ...]
    jwks_file: str | None = None
    jwks_url: str | None = None
    discovery_url: str | None = None
    secret: bytes | None = field(default=None, repr=False)
    leeway: float = 10.0
    refresh: float = 600.0
    timeout: float = 5.0
    refetch_floor: float = 10.0
    token_bytes: int = 8192
    remembered: int = 10_000
    forward_token: bool = False
    subject_claim: str = "sub"
    audience_claim: str = "aud"
    scopes_claim: tuple[str, ...] = ("scope", "scp")
    claims: tuple[tuple[str, str], ...] = ()
    source: Source | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class TokenPlace:
    """Where a browser, which can't set Authorization on a WebSocket, may put its token instead.

    `query` is the parameter `name`; the others are entries of
    Sec-WebSocket-Protocol: `subprotocol` is `name.TOKEN`, `subprotocol-pair` is
    the entry after `name`, and `kubernetes` is `name.TOKEN` with the token in
    base64url, as the API server of Kubernetes takes it.
    """

    kind: Literal["query", "subprotocol", "subprotocol-pair", "kubernetes"]
    name: str


@dataclass(frozen=True, slots=True)
class AuthRequirement:
    """What a route asks of a caller's token and client certificate; at least one of the two.

    `providers` are those of which one must have issued the token, none where no
    token is asked for. `required` false lets a caller without a token or
    certificate through as anonymous, also one who authenticates in another way
    (Basic); a bearer token that is present must be valid all the same. `certificate` are names and values that
    the client certificate must hold, of several values one; empty for any
    certificate, None where none is asked for. `upgrade_token` are other places
    for the token of a request that asks for an upgrade.
    """

    providers: tuple[str, ...] = ()
    required: bool = True
    scopes: frozenset[str] = frozenset()
    claims: tuple[tuple[str, str], ...] = ()
    certificate: tuple[tuple[str, tuple[str, ...]], ...] | None = None
    upgrade_token: tuple[TokenPlace, ...] = ()


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
class ListenerTls:
    """How clients are met: PEM of the certificate chain and its key, and of the authorities of client certificates."""

    certificate: bytes
    key: bytes = field(repr=False)
    client_ca: bytes | None = None
    client_certificate: Literal["required", "optional"] = "required"


@dataclass(frozen=True, slots=True)
class UpstreamTls:
    """How https endpoints are met.

    `ca` None trusts whom the machine trusts, `server_name` None takes the
    endpoint's host. `certificate` and `key` are what the gateway shows.
    `close_notify` tells whether a response that the end of the connection ends
    is whole without that alert.
    """

    ca: bytes | None = None
    server_name: str | None = None
    verify: bool = True
    certificate: bytes | None = None
    key: bytes | None = field(default=None, repr=False)
    close_notify: Literal["required", "optional"] = "required"


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """How the control process asks an endpoint whether it is well."""

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
    `host` tells whose Host it sees, the client's or the endpoint's.
    `upgrades` are the protocols, in lower case, to which a request may switch.
    `folding` tells which paths it takes for the same (`strangler.model.folding`).
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
    breaker: Breaker | None = None
    retry_budget: RetryBudget = RetryBudget()
    concurrency: Concurrency | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """One entry of an allow or deny list or of an override: `claim:tenant=acme`.

    `kind` is `claim`, `scope`, `certificate`, `header`, `cookie` or `ip`;
    `value` None asks only that it is there.
    """

    kind: Literal["claim", "scope", "certificate", "header", "cookie", "ip"]
    name: str
    value: str | None = None

    def __str__(self) -> str:
        text = f"{self.kind}:{self.name}"
        return text if self.value is None else f"{text}={self.value}"


@dataclass(frozen=True, slots=True)
class StickyKey:
    """One source of the key by which a caller stays on its side."""

    kind: Literal["claim", "certificate", "header", "cookie", "ip", "visitor", "none"]
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}" if self.name else self.kind


@dataclass(frozen=True, slots=True)
class Override:
    """The header by which a permitted caller picks a side for one request."""

    header: str
    permitted: Condition


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `requests` within `per` seconds in the long run, `burst` at once, for each key.

    `name` is the route's or `MIGRATION/*`, with a number from the second on. A request counts by the
    first of `keys` that it has, together with all others where it has none.
    """

    name: str
    requests: int
    per: float
    burst: int
    keys: tuple[StickyKey, ...] = ()


@dataclass(frozen=True, slots=True)
class Redis:
    """Where machines count together, how many seconds that may take, and what happens without it."""

    url: str = field(repr=False)
    timeout: float = 0.1
    unavailable: Literal["local", "refuse"] = "local"


SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Those whose copy changes nothing (RFC 9110 section 9.2.1); TRACE is of no use to compare."""


@dataclass(frozen=True, slots=True)
class Keep:
    """How long evidence is kept: by age in seconds, and by the bytes of stored pairs."""

    age: float = 604_800.0
    size: int = 268_435_456


@dataclass(frozen=True, slots=True)
class Redact:
    """What is never kept of pairs beside credentials: fields of these `names`, and what looks like a card's number."""

    names: frozenset[str] = frozenset()
    card_numbers: bool = True


@dataclass(frozen=True, slots=True)
class Shadow:
    """Which requests of a migration are copied to the other side, within which bounds, and what is kept of the pairs.

    `threshold` is the share of callers or requests in 1/100 of a percent.
    `request_body` and `response_body` are bytes, `concurrency` and `queue`
    copies of one worker. `sandbox` alone gets copies of unsafe methods.
    `reverse` tells whether legacy is asked where extracted serves.
    `conditions` tells whether copies keep conditional and range fields.
    `version_header` is the response header by which a side tells its version,
    in lower case. `least_compared` is the share of the sampled requests, in
    percent, that must have been compared before anything is proven.
    """

    percent: float = 100
    by: Literal["caller", "request"] = "caller"
    methods: frozenset[str] = SAFE_METHODS
    sandbox: str | None = None
    reverse: bool = False
    request_body: int = 65_536
    response_body: int = 262_144
    concurrency: int = 32
    queue: int = 256
    timeout: float = 10.0
    confirm_after: float = 0.5
    noise_percent: float = 1
    noise_learning_percent: float = 50
    store: Literal["digests", "values"] = "digests"
    redact: Redact = Redact()
    keep: Keep = Keep()
    conditions: Literal["strip", "keep"] = "strip"
    version_header: str | None = None
    least_compared: float = 50

    @property
    def threshold(self) -> int:
        """The share in 1/100 of a percent."""
        return round(self.percent * 100)


@dataclass(frozen=True, slots=True)
class Migration:
    """One business capability moving from an upstream to another.

    `threshold` is the share of callers on the extracted side in 1/100 of a
    percent, 0 to 10,000; it is meant for stage canary alone. `shadow` is set
    where requests are copied at this stage. Each side has a breaker of its own
    by `breaker`. `fallback` None never has the legacy side answer for the
    extracted one.
    """

    name: str
    legacy: str
    extracted: str
    stage: Stage
    threshold: int = 0
    sticky: tuple[StickyKey, ...] = ()
    always: tuple[Condition, ...] = ()
    never: tuple[Condition, ...] = ()
    override: Override | None = None
    shadow: Shadow | None = None
    breaker: Breaker | None = None
    fallback: LegacyFallback | None = LegacyFallback()

    @property
    def copied_sides(self) -> tuple[SideName, ...]:
        """The sides of which requests that they serve are copied to the other."""
        if self.shadow is None:
            return ()
        legacy: tuple[SideName, ...] = ("legacy",) if self.stage is Stage.SHADOW else ()
        return (*legacy, "extracted") if self.shadow.reverse else legacy

    def copied_to(self, side: SideName, method: str) -> str | None:
        """The upstream that gets copies of requests that `side` serves; None where no such request is copied.

        Only a sandbox ever gets one that may change something.
        """
        shadow = self.shadow
        if shadow is None or side not in self.copied_sides or method not in shadow.methods:
            return None
        if side == "extracted":
            return self.legacy if method in SAFE_METHODS else None
        return self.extracted if method in SAFE_METHODS else shadow.sandbox


@dataclass(frozen=True, slots=True)
class FieldMatch:
    """A header or query condition of a route; `value` None asks only that it is there."""

    name: str
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """A match and what serves it: an upstream, or a migration's two sides.

    Routes of the same number `alike` have the same upstream or migration and
    ask the same of a token, so they decide alike for the same header fields.
    `body_bytes` None is the limit of all routes. `changes` are by upstream, None
    where nothing is changed on the way.
    `shadowed` tells whether its migration copies requests at its stage.
    `timeouts` are by upstream, empty where they are the upstream's own. `plain`
    tells that an exchange by it needs nothing beside being sent and answered,
    `careful` that something may have to be done beside its first attempt, or kept.
    `folding` is that of its upstreams together.
    """

    name: str
    number: int
    host: str
    path: str
    methods: frozenset[str]
    headers: tuple[FieldMatch, ...]
    query: tuple[FieldMatch, ...]
    upstream: str
    migration: Migration | None
    auth: AuthRequirement | None
    source: Source
    alike: int
    folding: int = EXACT
    shadowed: bool = False
    rate_limits: tuple[RateLimit, ...] = ()
    timeouts: Mapping[str, Timeouts] = field(default_factory=dict, hash=False)
    retries: Retries = Retries()
    hedging: Hedging | None = None
    fallback: RouteFallback | None = None
    body_bytes: int | None = None
    changes: Mapping[str, Changes] | None = field(default=None, hash=False)
    cors: Cors | None = None
    plain: bool = field(init=False, compare=False)
    careful: bool = field(init=False, compare=False)

    def __post_init__(self) -> None:
        careful = self.hedging is not None or self.fallback is not None
        object.__setattr__(self, "careful", careful)
        object.__setattr__(self, "plain", not (careful or self.shadowed or self.timeouts or self.rate_limits))

    def changes_for(self, upstream: str) -> Changes | None:
        """What is changed on the way to and from `upstream`."""
        return None if self.changes is None else self.changes.get(upstream)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a worker accepts from a client.

    A target of 8,000 bytes is what RFC 9110 section 4.1 wants everybody to
    take; servers behind often take little more (gunicorn: a line of 8,190).
    `requests` bounds those of one connection, `connections_per_address` the
    connections of one client address that is not a trusted proxy's. Bodies
    flow and fill no memory, so their limit is wide. `half_close` tells whether a
    client that has ended its side of a connection still gets its responses.
    """

    target_bytes: int = 8000
    header_bytes: int = 32_768
    header_count: int = 100
    header_timeout: float = 10.0
    body_bytes: int = 1_073_741_824
    body_timeout: float = 30.0
    keep_alive: float = 75.0
    requests: int = 10_000
    connections: int = 20_000
    connections_per_address: int = 2_000
    half_close: bool = True


@dataclass(frozen=True, slots=True)
class Listener:
    """An address to listen on."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class AccessLog:
    """Where the access log goes: `path` None is standard output."""

    enabled: bool = True
    path: str | None = None


@dataclass(frozen=True, slots=True)
class VisitorCookie:
    """How the cookie of the sticky key `visitor` is set.

    `shared_caches` tells what becomes of a response that shared caches may
    keep: it gets no cookie (`skip`), or gets it and is made private.
    """

    same_site: Literal["lax", "strict", "none"] = "lax"
    partitioned: bool = False
    shared_caches: Literal["skip", "private"] = "skip"


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
    listen: Listener
    admin: Listener
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
