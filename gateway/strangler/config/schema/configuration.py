"""The whole YAML: strict models, from which the JSON Schema and the reference are generated.

A model says what a field may hold. What only makes sense across fields (names
that must exist, settings that need each other) is checked in
`strangler.config.checks`, where a message can point at both places.

Defaults are those of the snapshot's own classes, so that they stand once.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from strangler.config.schema.admin import AdminSection, OrAddress
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
from strangler.model.listener import Limits, ListenAddress, VisitorCookie

_LIMITS = Limits()
_VISITOR_COOKIE = VisitorCookie()
SHORTEST_HANG = 3.0

Version = Annotated[Whole, Field(ge=1, le=1), WithJsonSchema({"const": 1})]


def _long_enough_for_a_report(seconds: float) -> float:
    if seconds < SHORTEST_HANG:
        raise ValueError(f"must be at least {SHORTEST_HANG:g} s, because workers report once a second")
    return seconds


class LimitsSection(Section):
    """What one worker accepts from clients."""

    target_bytes: Size = Field(default=_LIMITS.target_bytes, description="The maximum length of a request target.")
    header_bytes: Size = Field(
        default=_LIMITS.header_bytes, description="The maximum total size of a request's headers."
    )
    header_count: Count = Field(default=_LIMITS.header_count, description="The maximum number of headers of a request.")
    header_timeout: Duration = Field(
        default=_LIMITS.header_timeout, description="The deadline for receiving a request's head."
    )
    body_bytes: Size = Field(
        default=_LIMITS.body_bytes, description="The maximum size of a request body, unless its route sets its own."
    )
    body_timeout: Duration = Field(
        default=_LIMITS.body_timeout,
        description="The maximum time without data within a request body, unless the upstream's `timeouts.idle` is"
        " shorter.",
    )
    keep_alive: Duration = Field(
        default=_LIMITS.keep_alive, description="How long an idle client connection is kept open."
    )
    requests: Count = Field(
        default=_LIMITS.requests,
        description="The maximum number of requests on one connection; it is closed after the last.",
    )
    connections: Count = Field(default=_LIMITS.connections, description="The maximum number of client connections.")
    connections_per_address: Count = Field(
        default=_LIMITS.connections_per_address,
        description="The maximum number of connections from one client address, with IPv6 from one /64 network; trusted"
        " proxies are exempt.",
    )
    half_close: bool = Field(
        default=_LIMITS.half_close,
        description="Whether a client that closes its sending side after the request still gets the response. Such a"
        " client can't be distinguished from a client that has disconnected; if false, the request to the upstream is"
        " aborted at once.",
    )


class AccessLogSection(Section):
    """The access log: one line of JSON per request."""

    enabled: Flag = Field(default=True, description="Whether to write the access log.")
    path: Text | None = Field(default=None, description="The file to append to. Default: standard output.")


class VisitorCookieSection(Section):
    """The cookie of the sticky key `visitor`; it is `Secure` where the client's connection is https."""

    same_site: Literal["lax", "strict", "none"] = Field(
        default=_VISITOR_COOKIE.same_site,
        description="The SameSite attribute; `none` if pages of other sites embed this one. Over plain http, `lax` is"
        " sent instead of `none`.",
    )
    partitioned: Flag = Field(
        default=_VISITOR_COOKIE.partitioned,
        description="Whether browsers keep one cookie per embedding site (CHIPS); requires `same_site: none`.",
    )
    shared_caches: Literal["skip", "private"] = Field(
        default=_VISITOR_COOKIE.shared_caches,
        description="What happens to a response that shared caches may keep: `skip` sets no cookie on it, `private`"
        " sets it and makes the response `Cache-Control: private`.",
    )

    @model_validator(mode="after")
    def _embedded(self) -> VisitorCookieSection:
        if self.partitioned and self.same_site != "none":
            raise ValueError("'partitioned' requires 'same_site: none': it is for pages that other sites embed")
        return self


class ShutdownSection(Section):
    """How the gateway shuts down on SIGTERM."""

    delay: DurationOrZero = Field(
        default=0.0,
        description="How long connections are still accepted while /readyz responds 503, so that a load balancer can"
        " notice; it must be longer than the interval of the load balancer's checks.",
    )
    drain: DurationOrZero = Field(
        default=30.0, description="How long requests in flight may take to finish after that."
    )


class WorkersSection(Section):
    """Supervision of the worker processes."""

    hang: Annotated[Duration, AfterValidator(_long_enough_for_a_report)] = Field(
        default=30.0,
        description="A worker whose event loop is blocked for this long is killed and replaced; at least 3 s. Increase"
        " it if the machine itself pauses for longer, such as during live migration of a virtual machine.",
    )


class ExpectSection(Section):
    """The expected decision about a tested request; set at least one of these."""

    route: Text | None = Field(default=None, description="The route that matches; `default` if none does.")
    migration: Text | None = Field(default=None, description="The migration that it belongs to.")
    side: Literal["legacy", "extracted"] | None = Field(default=None, description="The side that serves it.")
    upstream: Text | None = Field(default=None, description="The upstream that serves it.")
    status: Annotated[Whole, Field(ge=100, le=599)] | None = Field(
        default=None, description="The status of the gateway's own response, if it refuses the request."
    )

    @model_validator(mode="after")
    def _something(self) -> ExpectSection:
        if not self.model_fields_set:
            raise ValueError("expects nothing: set a route, migration, side, upstream or status")
        return self


class TestSection(Section):
    """A request and the decision expected for it; `strangler test` runs it."""

    __test__ = False  # not a test of pytest's

    request: Annotated[str, Field(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+ /[!\"$-~]*$")] = Field(
        description="Method and target, percent-encoded as clients send it.", examples=["GET /api/catalog/products/1"]
    )
    headers: dict[HeaderName, str] = Field(default={}, description="Headers of the request.")
    claims: dict[Text, Any] | None = Field(default=None, description="Claims of the caller's token. Default: no token.")
    certificate: dict[CertificateName, Annotated[list[Text], OneOrMany()]] | None = Field(
        default=None, description="The caller's client certificate. Default: none."
    )
    expect: ExpectSection = Field(description="The expected decision.")


class Configuration(Section):
    """The configuration of a gateway."""

    version: Version = Field(description="The version of the configuration format: 1.")
    listen: Address = Field(default=ListenAddress("127.0.0.1", 8080), description="The address for clients.")
    admin: Annotated[AdminSection, OrAddress()] = Field(
        default_factory=AdminSection,
        description="The admin API and the metrics: the address, or a mapping with `listen` and more.",
        examples=["127.0.0.1:8081"],
    )
    tls: ListenerTlsSection | None = Field(default=None, description="TLS for clients. Default: plain HTTP.")
    auth: AuthSection = Field(default=AuthSection(), description="The issuers of tokens that are accepted.")
    upstreams: dict[Name, UpstreamSection] = Field(description="The upstreams, by name.")
    default: Text | None = Field(
        default=None,
        description="The upstream for requests that no route matches. Default: none, such requests get 404.",
    )
    migrations: dict[Name, MigrationSection] = Field(default={}, description="The migrations, by name.")
    routes: list[RouteSection] = Field(default=[], description="Routes that belong to no migration.")
    compare: CompareSection = Field(
        default=CompareSection(), description="How responses are compared, for all migrations."
    )
    trusted_proxies: list[Network] = Field(
        default=[], description="Proxies in front of the gateway whose forwarding headers are trusted."
    )
    trusted_header: Literal["X-Forwarded-For", "Forwarded"] = Field(
        default="X-Forwarded-For",
        description="The header in which trusted proxies report the client: `X-Forwarded-For` (with `-Proto` and"
        " `-Host`) or `Forwarded` (RFC 7239). The other one is dropped, because a client may have sent it.",
    )
    proxy_protocol: Flag = Field(
        default=False,
        description="Whether every connection begins with the PROXY protocol (version 1 or 2); connections from peers"
        " that are not in `trusted_proxies`, and connections without it, are closed.",
    )
    pass_headers: dict[HeaderName, Sender] = Field(
        default={},
        description="Request headers to forward although the gateway drops them by default, because upstreams may trust"
        " them (see [Dropped request headers](#dropped-request-headers)). Each has a sender: `proxies` for"
        " `trusted_proxies` only, `anyone` for every client.",
        examples=[{"X-Forwarded-User": "proxies"}],
    )
    limits: LimitsSection = Field(default=LimitsSection(), description="Limits on what clients may send.")
    redis: RedisSection | None = Field(
        default=None,
        description="The Redis server in which several machines share the counts of rate limits. Default: each machine"
        " counts on its own.",
    )
    visitor_cookie: VisitorCookieSection = Field(
        default=VisitorCookieSection(), description="The cookie of the sticky key `visitor`."
    )
    access_log: AccessLogSection = Field(default=AccessLogSection(), description="The access log.")
    store: StoreSection = Field(default=StoreSection(), description="The database for what must outlive the gateway.")
    workers: WorkersSection = Field(default=WorkersSection(), description="Supervision of the worker processes.")
    shutdown: ShutdownSection = Field(default=ShutdownSection(), description="How the gateway shuts down on SIGTERM.")
    tests: list[TestSection] = Field(default=[], description="Routing tests.")
