"""What the YAML may say: strict models, from which the JSON Schema and the reference come.

A model says what a field may hold. What only makes sense across fields (names
that must exist, settings that need each other) is checked in
`gateway.config.checks`, where a message can point at both places.

Defaults are those of the snapshot's own classes, so that they are said once.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, field_validator, model_validator
from pydantic_core import PydanticCustomError

from gateway.config import snapshot
from gateway.config.snapshot import Listener, Stage
from gateway.config.values import (
    Address,
    Count,
    Duration,
    DurationOrZero,
    EndpointUrl,
    Flag,
    HeaderName,
    MatchHost,
    Method,
    Name,
    Network,
    Number,
    OneOrMany,
    Permission,
    Size,
    Sticky,
    Test,
    Whole,
)

_PROVIDER = snapshot.Provider("", "", (), ())
_UPSTREAM = snapshot.Upstream("", ())
_HEALTH = snapshot.HealthCheck("/")
_TIMEOUTS = snapshot.Timeouts()
_LIMITS = snapshot.Limits()

Algorithm = Literal[
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "HS256",
    "HS384",
    "HS512",
]
Text = Annotated[str, Field(min_length=1)]
Version = Annotated[Whole, Field(ge=1, le=1), WithJsonSchema({"const": 1})]


class Section(BaseModel):
    """A mapping in the YAML: no keys but the fields, no value of another kind, none left empty."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _not_empty(cls, value: Any) -> Any:
        if value is None:
            raise PydanticCustomError("no_value", "has no value")
        return value


class ProviderSection(Section):
    """Who issues tokens, and how they are verified."""

    issuer: Text = Field(description="The `iss` that tokens must have, character for character.")
    audience: Annotated[list[Text], OneOrMany(), Field(min_length=1)] = Field(
        description="The `aud` that tokens must have; of several, one is enough.", examples=["shop"]
    )
    algorithms: Annotated[list[Algorithm], Field(min_length=1)] = Field(
        description="The signature algorithms that are accepted. HS algorithms need `secret`, "
        "all others a key set."
    )
    jwks: Text | None = Field(
        default=None,
        description="The key set: a file, relative to this one, or an https URL (http for this "
        "machine alone). Exactly one of `jwks`, `discovery` and `secret` is given.",
        examples=["dev/jwks.json", "https://id.shop.example/.well-known/jwks.json"],
    )
    discovery: Flag | None = Field(
        default=None,
        description="Whether to find the key set by the issuer's `/.well-known/openid-configuration`.",
    )
    secret: Text | None = Field(
        default=None,
        description="The shared secret of HS algorithms: `${NAME}` from the environment or `file:PATH`, "
        "never the secret itself. At least as long as the hash (32 bytes for HS256).",
        examples=["${SHOP_SECRET}", "file:/run/secrets/shop"],
    )
    leeway: DurationOrZero = Field(
        default=_PROVIDER.leeway,
        description="How far the issuer's clock may be off when `exp` and `nbf` are checked.",
    )
    refresh: Duration = Field(
        default=_PROVIDER.refresh, description="How often the key set is fetched again."
    )
    timeout: Duration = Field(
        default=_PROVIDER.timeout, description="How long fetching the key set may take."
    )
    refetch_floor: Duration = Field(
        default=_PROVIDER.refetch_floor,
        description="The shortest time between two fetches for a token whose `kid` is unknown.",
    )
    token_bytes: Size = Field(
        default=_PROVIDER.token_bytes, description="The longest token that is looked at."
    )
    remembered: Annotated[Whole, Field(ge=0)] = Field(
        default=_PROVIDER.remembered, description="How many verified tokens each worker remembers."
    )
    forward_token: Flag = Field(
        default=_PROVIDER.forward_token, description="Whether upstreams see the Authorization header as well."
    )


class AuthSection(Section):
    """Who may issue tokens."""

    providers: dict[Name, ProviderSection] = Field(default={}, description="The providers, by name.")


class RequirementSection(Section):
    """What is asked of a caller's token."""

    provider: Text = Field(description="The provider whose tokens count.")
    required: Flag = Field(
        default=True,
        description="Whether a token must be there. A token that is there must be valid in any case.",
    )
    scopes: Annotated[list[Text], OneOrMany()] = Field(
        default=[], description="Scopes of which the token must have all."
    )
    claims: dict[Text, str] = Field(
        default={}, description="Claims that must have the value, or hold it where they are lists."
    )


class TimeoutsSection(Section):
    """Deadlines of an upstream."""

    connect: Duration = Field(default=_TIMEOUTS.connect, description="To connect to an endpoint.")
    response: Duration = Field(
        default=_TIMEOUTS.response, description="From the request's end to the head of the response."
    )
    idle: Duration = Field(default=_TIMEOUTS.idle, description="The longest silence within a body.")


class HealthSection(Section):
    """How endpoints are asked whether they are well."""

    path: Annotated[str, Field(pattern="^/")] = Field(description="The path to ask.", examples=["/healthz"])
    interval: Duration = Field(default=_HEALTH.interval, description="The time from one check to the next.")
    timeout: Duration = Field(default=_HEALTH.timeout, description="How long an answer may take.")
    status: Annotated[Whole, Field(ge=100, le=599)] = Field(
        default=_HEALTH.status, description="The status of an endpoint that is well."
    )
    unhealthy_after: Count = Field(
        default=_HEALTH.unhealthy_after,
        description="Failures in a row after which an endpoint gets no requests.",
    )
    healthy_after: Count = Field(
        default=_HEALTH.healthy_after, description="Successes in a row after which it gets requests again."
    )


class UpstreamSection(Section):
    """A named group of endpoints that serve the same thing."""

    endpoints: Annotated[list[EndpointUrl], OneOrMany(), Field(min_length=1)] = Field(
        description="The base URLs; requests go to them in turn."
    )
    timeouts: TimeoutsSection = Field(default=TimeoutsSection(), description="Deadlines.")
    health: HealthSection | None = Field(default=None, description="Active health checks; none unless given.")
    connections: Count = Field(
        default=_UPSTREAM.connections, description="Most connections of one worker to one endpoint."
    )
    idle_connections: Annotated[Whole, Field(ge=0)] = Field(
        default=_UPSTREAM.idle_connections,
        description="Most idle connections that one worker keeps to one endpoint.",
    )
    keep_alive: Duration = Field(
        default=_UPSTREAM.keep_alive,
        description="How long an idle connection is kept; less than the upstream itself keeps it.",
    )
    queue: Annotated[Whole, Field(ge=0)] = Field(
        default=_UPSTREAM.queue, description="Most requests of one worker that wait for a connection."
    )


class MatchSection(Section):
    """Which requests a route takes; all that is given must hold."""

    host: MatchHost | None = Field(
        default=None, description="The host, without port; `*.shop.example` is every name below it."
    )
    path: Text | None = Field(
        default=None,
        description="The path: `/a/b` exactly, `*` one segment, `{name}` one segment with a name, "
        "`**` the rest, at the end alone. Every path where it is left out.",
        examples=["/api/catalog/**", "/api/users/{id}"],
    )
    methods: Annotated[list[Method], OneOrMany(), Field(min_length=1)] | None = Field(
        default=None, description="The methods; every method where they are left out."
    )
    headers: dict[HeaderName, str | None] = Field(
        default={}, description="Headers that must have the value; where it is null, be there."
    )
    query: dict[Text, str | None] = Field(
        default={}, description="Query parameters that must have the value; where it is null, be there."
    )

    @model_validator(mode="after")
    def _something(self) -> MatchSection:
        if not self.model_fields_set:
            raise ValueError("matches nothing in particular: give a path or another condition")
        return self


class RouteSection(Section):
    """Requests that go to one upstream."""

    name: Name = Field(description="The name in logs, metrics and explanations.")
    match: MatchSection = Field(description="Which requests this is.")
    upstream: Text = Field(description="The upstream that answers.")
    auth: RequirementSection | None = Field(
        default=None, description="What is asked of the caller; nothing unless given."
    )


class MigrationRouteSection(Section):
    """Requests that belong to a migration."""

    name: Name | None = Field(
        default=None,
        description="The name after the migration's, as in `catalog/products`; its number unless given.",
    )
    match: MatchSection = Field(description="Which requests this is.")
    auth: RequirementSection | None = Field(
        default=None, description="What is asked of the caller, instead of what the migration asks."
    )


class CanarySection(Section):
    """Which share of the callers the extracted side serves."""

    percent: Annotated[Number, Field(ge=0, le=100)] = Field(
        description="The share in percent, to two decimals.", examples=[10]
    )
    sticky: Annotated[list[Sticky], OneOrMany(), Field(min_length=1)] | None = Field(
        default=None,
        description="What keeps a caller on its side: the first of these that a request has. "
        "`[claim:sub, visitor]` where the migration has `auth`, else `[visitor]`.",
    )

    @field_validator("percent")
    @classmethod
    def _two_decimals(cls, percent: float) -> float:
        if abs(percent * 100 - round(percent * 100)) > 1e-6:
            raise ValueError("has more than two decimals")
        return percent


class OverrideSection(Section):
    """A header by which a permitted caller picks the side of one request."""

    header: HeaderName = Field(
        description="The header; its value is `legacy` or `extracted`.", examples=["X-Side"]
    )
    permitted: Permission = Field(description="Who may: a claim or a scope of a verified token.")


class MigrationSection(Section):
    """One business capability that moves from an upstream to another."""

    from_: Text = Field(alias="from", description="The upstream of the legacy side.")
    to: Text = Field(description="The upstream of the extracted side.")
    stage: Annotated[Stage, Field(strict=False)] = Field(
        description="Where the migration stands: `legacy`, `shadow`, `canary`, `extracted` or `retired`."
    )
    canary: CanarySection | None = Field(default=None, description="The split; needed in stage canary.")
    always: Annotated[list[Test], OneOrMany()] = Field(
        default=[],
        description="In stage canary, callers that are on the extracted side whatever the percentage.",
    )
    never: Annotated[list[Test], OneOrMany()] = Field(
        default=[],
        description="In stage canary, callers that stay on the legacy side; stronger than `always`.",
    )
    override: OverrideSection | None = Field(
        default=None, description="Picking a side by header; off unless given."
    )
    auth: RequirementSection | None = Field(
        default=None, description="What is asked of callers on all its routes."
    )
    routes: Annotated[list[MigrationRouteSection], Field(min_length=1)] = Field(
        description="The requests that are this capability."
    )


class LimitsSection(Section):
    """What one worker accepts from clients."""

    target_bytes: Size = Field(default=_LIMITS.target_bytes, description="Longest request target.")
    header_bytes: Size = Field(
        default=_LIMITS.header_bytes, description="Most bytes of all headers of a request."
    )
    header_count: Count = Field(default=_LIMITS.header_count, description="Most headers of a request.")
    header_timeout: Duration = Field(
        default=_LIMITS.header_timeout, description="How long a request's head may take to arrive."
    )
    keep_alive: Duration = Field(
        default=_LIMITS.keep_alive, description="How long a connection may wait for its next request."
    )
    connections: Count = Field(default=_LIMITS.connections, description="Most client connections.")


class AccessLogSection(Section):
    """The access log, a line of JSON for each request."""

    enabled: Flag = Field(default=True, description="Whether to write it.")
    path: Text | None = Field(
        default=None, description="The file to append to; standard output unless given."
    )


class ShutdownSection(Section):
    """What happens on SIGTERM."""

    drain: DurationOrZero = Field(default=30.0, description="How long requests in flight may take to end.")


class ExpectSection(Section):
    """What must become of a tested request; at least one of these."""

    route: Text | None = Field(default=None, description="The route that matches; `default` for none.")
    migration: Text | None = Field(default=None, description="The migration that it belongs to.")
    side: Literal["legacy", "extracted"] | None = Field(default=None, description="The side that serves it.")
    upstream: Text | None = Field(default=None, description="The upstream that serves it.")
    status: Annotated[Whole, Field(ge=100, le=599)] | None = Field(
        default=None, description="The status of the gateway's own answer, where it refuses."
    )

    @model_validator(mode="after")
    def _something(self) -> ExpectSection:
        if not self.model_fields_set:
            raise ValueError("expects nothing: give a route, migration, side, upstream or status")
        return self


class TestSection(Section):
    """A request, and what must become of it; run by `strangler test`."""

    __test__ = False  # not a test of pytest's

    request: Annotated[str, Field(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+ /\S*$")] = Field(
        description="Method and target.", examples=["GET /api/catalog/products/1"]
    )
    headers: dict[HeaderName, str] = Field(default={}, description="Headers of the request.")
    claims: dict[Text, Any] | None = Field(
        default=None, description="Claims of the caller's token; a caller without a token unless given."
    )
    expect: ExpectSection = Field(description="What must become of it.")


class Configuration(Section):
    """The configuration of a gateway."""

    version: Version = Field(description="The version of this format: 1.")
    listen: Address = Field(default=Listener("127.0.0.1", 8080), description="Where clients connect.")
    admin: Address = Field(
        default=Listener("127.0.0.1", 8081), description="Where the admin API, metrics and dashboard are."
    )
    auth: AuthSection = Field(default=AuthSection(), description="Who may issue tokens.")
    upstreams: dict[Name, UpstreamSection] = Field(description="The upstreams, by name.")
    default: Text | None = Field(
        default=None, description="The upstream for whatever no route matches; 404 unless given."
    )
    migrations: dict[Name, MigrationSection] = Field(default={}, description="The migrations, by name.")
    routes: list[RouteSection] = Field(default=[], description="Routes that belong to no migration.")
    trusted_proxies: list[Network] = Field(
        default=[], description="Peers whose X-Forwarded headers are believed."
    )
    limits: LimitsSection = Field(default=LimitsSection(), description="What is accepted from clients.")
    access_log: AccessLogSection = Field(default=AccessLogSection(), description="The access log.")
    shutdown: ShutdownSection = Field(default=ShutdownSection(), description="What happens on SIGTERM.")
    tests: list[TestSection] = Field(default=[], description="Routing tests.")
