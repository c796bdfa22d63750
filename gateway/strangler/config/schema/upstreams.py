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

    connect: Duration = Field(default=_TIMEOUTS.connect, description="To connect to an endpoint.")
    response: Duration = Field(
        default=_TIMEOUTS.response, description="From the request's end to the head of the response."
    )
    idle: Duration = Field(default=_TIMEOUTS.idle, description="The longest silence within a body.")
    tunnel: Duration = Field(
        default=_TIMEOUTS.tunnel, description="The longest silence of a WebSocket or another upgraded connection."
    )
    total: Duration | None = Field(
        default=None,
        description="From the request's head to the end of the response, all attempts included; none unless given.",
    )


class HealthSection(Section):
    """How endpoints are asked whether they are well."""

    path: Annotated[str, Field(pattern="^/")] = Field(description="The path to ask.", examples=["/healthz"])
    interval: Duration = Field(default=_HEALTH.interval, description="The time from one check to the next.")
    timeout: Duration = Field(default=_HEALTH.timeout, description="How long an answer may take.")
    status: Annotated[list[HttpStatus], OneOrMany(), Field(min_length=1)] = Field(
        default=sorted(_HEALTH.status), description="The status, or statuses, of an endpoint that is well."
    )
    unhealthy_after: Count = Field(
        default=_HEALTH.unhealthy_after,
        description="Failures in a row after which an endpoint gets no requests.",
    )
    healthy_after: Count = Field(
        default=_HEALTH.healthy_after, description="Successes in a row after which it gets requests again."
    )


class PathsSection(Section):
    """Which paths an upstream takes for the same, so that routes and `auth` are found as it finds its pages."""

    case: Literal["exact", "ignored"] | None = Field(
        default=None,
        description="Whether `/Admin` is `/admin` to it (`ignored`: Express, IIS) or another path (`exact`, as it is"
        " taken for unless given).",
    )
    final_slash: Literal["exact", "ignored"] | None = Field(
        default=None,
        description="Whether `/admin/` is `/admin` to it (`ignored`: Express) or another path (`exact`, as it is taken"
        " for unless given). A redirect from one to the other makes it `exact`.",
    )

    @property
    def folding(self) -> int:
        """What of it is ignored."""
        return (CASE if self.case == "ignored" else EXACT) | (FINAL_SLASH if self.final_slash == "ignored" else EXACT)


class UpstreamSection(Section):
    """A named group of endpoints that serve the same thing."""

    endpoints: Annotated[list[EndpointUrl], OneOrMany(), Field(min_length=1)] = Field(
        description="The base URLs; `balancing` says which gets a request."
    )
    host: Literal["preserve", "endpoint"] = Field(
        default=_UPSTREAM.host,
        description="The Host that it sees: the client's (`preserve`), or that of the endpoint's URL (`endpoint`).",
    )
    paths: PathsSection = Field(default=PathsSection(), description="Which paths it takes for the same.")
    timeouts: TimeoutsSection = Field(default=TimeoutsSection(), description="Deadlines.")
    health: HealthSection | None = Field(default=None, description="Active health checks; none unless given.")
    resolve: ResolveSection | None = Field(
        default=None,
        description="Looking up names again; unless given, a name is looked up for each new connection, and its first "
        "address is used.",
    )
    balancing: BalancingSection = Field(default=BalancingSection(), description="Which endpoint gets a request.")
    ejection: EjectionSection = Field(
        default=EjectionSection(), description="Keeping requests from an endpoint that fails them."
    )
    breaker: BreakerSection | None = Field(
        default=None, description="Refusing requests while too many fail; off unless given."
    )
    retry_budget: RetryBudgetSection = Field(default=RetryBudgetSection(), description="How many retries there may be.")
    concurrency: ConcurrencySection | None = Field(
        default=None, description="How many requests there may be at once; no limit unless given."
    )
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
    upgrades: Annotated[list[Upgrade], OneOrMany()] = Field(
        default=sorted(_UPSTREAM.upgrades),
        description="The protocols that a request may switch to, `websocket` unless given; one that asks for another"
        " is sent on as an ordinary request. Switched connections do not count as `connections`.",
    )
    bare_lf: bool = Field(
        default=_UPSTREAM.bare_lf,
        description="Whether lines of a response's head may end with a line feed alone, as old CGI programs write them."
        " Clients get proper lines. Keep it off for all others: such lines are how responses are split.",
    )
    tls: UpstreamTlsSection = Field(default=UpstreamTlsSection(), description="How `https` endpoints are met.")
