"""`upstreams:` in the YAML: who serves requests, and how they are spoken to."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from strangler.config.schema.field_types.addresses import EndpointUrl
from strangler.config.schema.field_types.http_syntax import Upgrade
from strangler.config.schema.field_types.quantities import Duration
from strangler.config.schema.field_types.scalars import Count, HttpStatus, OneOrMany, Whole
from strangler.config.schema.resilience import (
    BalancingSection,
    BreakerSection,
    ConcurrencySection,
    EjectionSection,
    ResolveSection,
    RetryBudgetSection,
)
from strangler.config.schema.section import Section
from strangler.config.schema.tls import UpstreamTlsSection
from strangler.model.folding import CASE, EXACT, FINAL_SLASH
from strangler.model.upstream import HealthCheck, Timeouts, Upstream

_UPSTREAM = Upstream("", ())
_HEALTH = HealthCheck("/")
_TIMEOUTS = Timeouts()


class TimeoutsSection(Section):
    """Deadlines of an upstream."""

    connect: Duration = Field(default=_TIMEOUTS.connect, description="The deadline for connecting to an endpoint.")
    response: Duration = Field(
        default=_TIMEOUTS.response, description="The deadline from the end of the request to the head of the response."
    )
    idle: Duration = Field(default=_TIMEOUTS.idle, description="The maximum time without data within a body.")
    tunnel: Duration = Field(
        default=_TIMEOUTS.tunnel,
        description="The maximum time without data on a WebSocket or another upgraded connection.",
    )
    total: Duration | None = Field(
        default=None,
        description="The deadline from the request's head to the end of the response, including all attempts. Default:"
        " none.",
    )


class HealthSection(Section):
    """Active health checks of endpoints."""

    path: Annotated[str, Field(pattern="^/")] = Field(
        description="The path of the health check.", examples=["/healthz"]
    )
    interval: Duration = Field(default=_HEALTH.interval, description="The interval between checks.")
    timeout: Duration = Field(default=_HEALTH.timeout, description="The deadline for the response.")
    status: Annotated[list[HttpStatus], OneOrMany(), Field(min_length=1)] = Field(
        default=sorted(_HEALTH.status), description="The status, or statuses, of a healthy endpoint."
    )
    unhealthy_after: Count = Field(
        default=_HEALTH.unhealthy_after,
        description="Consecutive failures after which an endpoint gets no requests.",
    )
    healthy_after: Count = Field(
        default=_HEALTH.healthy_after, description="Consecutive successes after which it gets requests again."
    )


class PathsSection(Section):
    """Which paths an upstream treats as the same, so that routes and `auth` match as the upstream does."""

    case: Literal["exact", "ignored"] | None = Field(
        default=None,
        description="Whether the upstream treats `/Admin` and `/admin` as the same path (`ignored`: Express, IIS) or as"
        " different ones (`exact`, which is assumed by default).",
    )
    final_slash: Literal["exact", "ignored"] | None = Field(
        default=None,
        description="Whether the upstream treats `/admin/` and `/admin` as the same path (`ignored`: Express) or as"
        " different ones (`exact`, which is assumed by default). An upstream that redirects from one to the"
        " other is `exact`.",
    )

    @property
    def folding(self) -> int:
        """Which differences between paths the upstream ignores."""
        return (CASE if self.case == "ignored" else EXACT) | (FINAL_SLASH if self.final_slash == "ignored" else EXACT)


class UpstreamSection(Section):
    """A named group of endpoints that serve the same thing."""

    endpoints: Annotated[list[EndpointUrl], OneOrMany(), Field(min_length=1)] = Field(
        description="The base URLs; `balancing` determines which one gets a request."
    )
    host: Literal["preserve", "endpoint"] = Field(
        default=_UPSTREAM.host,
        description="The Host that the upstream gets: the client's (`preserve`), or that of the endpoint's URL"
        " (`endpoint`).",
    )
    paths: PathsSection = Field(default=PathsSection(), description="Which paths the upstream treats as the same.")
    timeouts: TimeoutsSection = Field(default=TimeoutsSection(), description="Deadlines.")
    health: HealthSection | None = Field(default=None, description="Active health checks. Default: none.")
    resolve: ResolveSection | None = Field(
        default=None,
        description="Periodic lookup of names. Default: a name is looked up for each new connection, and its first"
        " address is used.",
    )
    balancing: BalancingSection = Field(default=BalancingSection(), description="Which endpoint gets a request.")
    ejection: EjectionSection = Field(
        default=EjectionSection(),
        description="Passive health checks: endpoints that fail requests are ejected for a while.",
    )
    breaker: BreakerSection | None = Field(default=None, description="A circuit breaker. Default: off.")
    retry_budget: RetryBudgetSection = Field(default=RetryBudgetSection(), description="The budget for retries.")
    concurrency: ConcurrencySection | None = Field(
        default=None, description="The limit on concurrent requests. Default: none."
    )
    connections: Count = Field(
        default=_UPSTREAM.connections, description="The maximum number of connections of one worker to one endpoint."
    )
    idle_connections: Annotated[Whole, Field(ge=0)] = Field(
        default=_UPSTREAM.idle_connections,
        description="The maximum number of idle connections that one worker keeps to one endpoint.",
    )
    keep_alive: Duration = Field(
        default=_UPSTREAM.keep_alive,
        description="How long an idle connection is kept; it must be shorter than the upstream's own keep-alive.",
    )
    queue: Annotated[Whole, Field(ge=0)] = Field(
        default=_UPSTREAM.queue, description="The maximum number of requests of one worker that wait for a connection."
    )
    upgrades: Annotated[list[Upgrade], OneOrMany()] = Field(
        default=sorted(_UPSTREAM.upgrades),
        description="The protocols that a request may upgrade to; a request for another protocol is forwarded as an"
        " ordinary request. Default: `websocket`. Upgraded connections do not count as `connections`.",
    )
    bare_lf: bool = Field(
        default=_UPSTREAM.bare_lf,
        description="Whether lines of a response's head may end with a bare line feed, as old CGI programs write them."
        " Clients get proper lines. Keep it off otherwise: bare line feeds enable response splitting.",
    )
    tls: UpstreamTlsSection = Field(
        default=UpstreamTlsSection(), description="TLS settings for connections to `https` endpoints."
    )
