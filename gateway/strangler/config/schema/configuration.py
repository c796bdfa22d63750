"""What the YAML may say: strict models, from which the JSON Schema and the reference come.

A model says what a field may hold. What only makes sense across fields (names
that must exist, settings that need each other) is checked in
`strangler.config.checks`, where a message can point at both places.

Defaults are those of the snapshot's own classes, so that they are said once.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from strangler.config.schema.auth import AuthSection
from strangler.config.schema.compare import CompareSection
from strangler.config.schema.field_types.addresses import Address, Network
from strangler.config.schema.field_types.callers import CertificateName
from strangler.config.schema.field_types.http_syntax import HeaderName
from strangler.config.schema.field_types.quantities import Duration, DurationOrZero, Size
from strangler.config.schema.field_types.scalars import Count, Flag, Name, OneOrMany, Whole
from strangler.config.schema.rate_limits import RedisSection
from strangler.config.schema.routes import MigrationSection, RouteSection
from strangler.config.schema.section import Section, Text
from strangler.config.schema.shadow import StoreSection
from strangler.config.schema.tls import ListenerTlsSection
from strangler.config.schema.upstreams import UpstreamSection
from strangler.model.dropped_fields import Sender
from strangler.model.listener import Limits, Listener, VisitorCookie

_LIMITS = Limits()
_VISITOR_COOKIE = VisitorCookie()
SHORTEST_HANG = 3.0

Version = Annotated[Whole, Field(ge=1, le=1), WithJsonSchema({"const": 1})]


def _long_enough_for_a_report(seconds: float) -> float:
    if seconds < SHORTEST_HANG:
        raise ValueError(f"workers report every second, so this is {SHORTEST_HANG:g} s at the least")
    return seconds


class LimitsSection(Section):
    """What one worker accepts from clients."""

    target_bytes: Size = Field(default=_LIMITS.target_bytes, description="Longest request target.")
    header_bytes: Size = Field(default=_LIMITS.header_bytes, description="Most bytes of all headers of a request.")
    header_count: Count = Field(default=_LIMITS.header_count, description="Most headers of a request.")
    header_timeout: Duration = Field(
        default=_LIMITS.header_timeout, description="How long a request's head may take to arrive."
    )
    body_bytes: Size = Field(
        default=_LIMITS.body_bytes, description="Largest body of a request, where its route says nothing else."
    )
    body_timeout: Duration = Field(
        default=_LIMITS.body_timeout,
        description="The longest silence within a request's body, where the upstream's `timeouts.idle` is not shorter.",
    )
    keep_alive: Duration = Field(
        default=_LIMITS.keep_alive, description="How long a connection may wait for its next request."
    )
    requests: Count = Field(
        default=_LIMITS.requests, description="Most requests of one connection; it is closed after the last of them."
    )
    connections: Count = Field(default=_LIMITS.connections, description="Most client connections.")
    connections_per_address: Count = Field(
        default=_LIMITS.connections_per_address,
        description="Most connections of one client address, of IPv6 of one network of 64 bits; trusted proxies may"
        " have more.",
    )
    half_close: bool = Field(
        default=_LIMITS.half_close,
        description="Whether a client that ends its side of the connection after its request gets the response. Such a "
        "client can't be told from one that has gone; if false, the upstream's work ends at once.",
    )


class AccessLogSection(Section):
    """The access log, a line of JSON for each request."""

    enabled: Flag = Field(default=True, description="Whether to write it.")
    path: Text | None = Field(default=None, description="The file to append to; standard output unless given.")


class VisitorCookieSection(Section):
    """The cookie of the sticky key `visitor`; it is `Secure` where the client's connection is https."""

    same_site: Literal["lax", "strict", "none"] = Field(
        default=_VISITOR_COOKIE.same_site,
        description="`none` where pages of other sites embed these; over plain http, `lax` is sent instead of `none`.",
    )
    partitioned: Flag = Field(
        default=_VISITOR_COOKIE.partitioned,
        description="Whether browsers keep one cookie for each embedding site (CHIPS); needs `same_site: none`.",
    )
    shared_caches: Literal["skip", "private"] = Field(
        default=_VISITOR_COOKIE.shared_caches,
        description="What happens to a response that shared caches may keep: `skip` sets no cookie on it, `private`"
        " sets it and makes the response `Cache-Control: private`.",
    )

    @model_validator(mode="after")
    def _embedded(self) -> VisitorCookieSection:
        if self.partitioned and self.same_site != "none":
            raise ValueError("'partitioned' is for pages that other sites embed: it needs 'same_site: none'")
        return self


class ShutdownSection(Section):
    """What happens on SIGTERM."""

    delay: DurationOrZero = Field(
        default=0.0,
        description="How long connections are still accepted while /readyz says 503, so that a load balancer can "
        "notice; longer than the interval of its checks.",
    )
    drain: DurationOrZero = Field(default=30.0, description="How long requests in flight may take to end after that.")


class WorkersSection(Section):
    """How the worker processes are kept."""

    hang: Annotated[Duration, AfterValidator(_long_enough_for_a_report)] = Field(
        default=30.0,
        description="A worker whose event loop stands for so long is killed and replaced; at least 3 s. Raise it where"
        " the machine itself stops for longer, such as while a virtual machine is moved.",
    )


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

    request: Annotated[str, Field(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+ /[!\"$-~]*$")] = Field(
        description="Method and target, percent-encoded as clients send it.", examples=["GET /api/catalog/products/1"]
    )
    headers: dict[HeaderName, str] = Field(default={}, description="Headers of the request.")
    claims: dict[Text, Any] | None = Field(
        default=None, description="Claims of the caller's token; a caller without a token unless given."
    )
    certificate: dict[CertificateName, Annotated[list[Text], OneOrMany()]] | None = Field(
        default=None, description="The caller's client certificate; none unless given."
    )
    expect: ExpectSection = Field(description="What must become of it.")


class Configuration(Section):
    """The configuration of a gateway."""

    version: Version = Field(description="The version of this format: 1.")
    listen: Address = Field(default=Listener("127.0.0.1", 8080), description="Where clients connect.")
    admin: Address = Field(default=Listener("127.0.0.1", 8081), description="Where the admin API and the metrics are.")
    tls: ListenerTlsSection | None = Field(default=None, description="TLS for clients; plain HTTP unless given.")
    auth: AuthSection = Field(default=AuthSection(), description="Who may issue tokens.")
    upstreams: dict[Name, UpstreamSection] = Field(description="The upstreams, by name.")
    default: Text | None = Field(
        default=None, description="The upstream for whatever no route matches; 404 unless given."
    )
    migrations: dict[Name, MigrationSection] = Field(default={}, description="The migrations, by name.")
    routes: list[RouteSection] = Field(default=[], description="Routes that belong to no migration.")
    compare: CompareSection = Field(
        default=CompareSection(), description="How answers are compared, for all migrations."
    )
    trusted_proxies: list[Network] = Field(
        default=[], description="Proxies in front of the gateway, whose word about the client's address is believed."
    )
    trusted_header: Literal["X-Forwarded-For", "Forwarded"] = Field(
        default="X-Forwarded-For",
        description="The header in which trusted proxies name the client: `X-Forwarded-For` (with `-Proto` and"
        " `-Host`) or `Forwarded` (RFC 7239). The other one is dropped, because a client may have written it.",
    )
    proxy_protocol: Flag = Field(
        default=False,
        description="Whether every connection begins with the PROXY protocol (version 1 or 2); those of peers that"
        " are not `trusted_proxies`, and those that begin otherwise, are closed.",
    )
    pass_headers: dict[HeaderName, Sender] = Field(
        default={},
        description="Request headers that are passed on though the gateway drops them, because upstreams may believe"
        " them (see [Dropped request headers](#dropped-request-headers)), each with who may send it: `proxies` for"
        " `trusted_proxies` alone, `anyone` for every client.",
        examples=[{"X-Forwarded-User": "proxies"}],
    )
    limits: LimitsSection = Field(default=LimitsSection(), description="What is accepted from clients.")
    redis: RedisSection | None = Field(
        default=None,
        description="Where several machines count together for rate limits; each machine by itself unless given.",
    )
    visitor_cookie: VisitorCookieSection = Field(
        default=VisitorCookieSection(), description="The cookie of the sticky key `visitor`."
    )
    access_log: AccessLogSection = Field(default=AccessLogSection(), description="The access log.")
    store: StoreSection = Field(default=StoreSection(), description="What must outlive the gateway.")
    workers: WorkersSection = Field(default=WorkersSection(), description="How the worker processes are kept.")
    shutdown: ShutdownSection = Field(default=ShutdownSection(), description="What happens on SIGTERM.")
    tests: list[TestSection] = Field(default=[], description="Routing tests.")
