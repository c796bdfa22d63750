"""`routes:` and `migrations:` in the YAML: which requests go where."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator, model_validator

from strangler.config.schema.auth import RequirementSection
from strangler.config.schema.changes import CorsSection, HeaderChangesSection, RewriteSection
from strangler.config.schema.compare import CompareSection
from strangler.config.schema.field_types.addresses import MatchHost
from strangler.config.schema.field_types.callers import CallerCondition, Permission, Sticky
from strangler.config.schema.field_types.http_syntax import HeaderName, Method
from strangler.config.schema.field_types.quantities import Size
from strangler.config.schema.field_types.scalars import Name, Number, OneOrMany
from strangler.config.schema.rate_limits import RateLimitSection
from strangler.config.schema.resilience import (
    BreakerSection,
    HedgingSection,
    LegacyFallbackSection,
    RetriesSection,
    RouteFallbackSection,
    RouteTimeoutsSection,
)
from strangler.config.schema.section import Section, Text
from strangler.config.schema.shadow import ShadowSection
from strangler.model.migration import Stage


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
        default={},
        description="Headers that must have the value; where it is null, be there. Where a request has several values,"
        " in lists or in spellings such as `X_Mode` that servers fold, the route that asks for a token counts.",
    )
    query: dict[Text, str | None] = Field(
        default={},
        description="Query parameters that must have the value; where it is null, be there. Of several values the same"
        " holds as of headers.",
    )

    @model_validator(mode="after")
    def _something(self) -> MatchSection:
        if not self.model_fields_set:
            raise ValueError("matches nothing in particular: give a path or another condition")
        return self


class RouteLimitsSection(Section):
    """What is accepted from clients on a route, where it is not what `limits` says for all."""

    body_bytes: Size = Field(description="Largest body of a request.")


class RouteSection(Section):
    """Requests that go to one upstream."""

    name: Name = Field(description="The name in logs, metrics and explanations.")
    match: MatchSection = Field(description="Which requests this is.")
    upstream: Text = Field(description="The upstream that answers.")
    auth: RequirementSection | None = Field(
        default=None, description="What is asked of the caller; nothing unless given."
    )
    limits: RouteLimitsSection | None = Field(default=None, description="What is accepted, where not as everywhere.")
    headers: HeaderChangesSection | None = Field(default=None, description="Header fields that are changed.")
    cors: CorsSection | None = Field(default=None, description="Pages of other origins that may ask.")
    rewrite: RewriteSection | None = Field(default=None, description="The path that the upstream sees.")
    rate_limits: list[RateLimitSection] = Field(
        default=[], description="How many requests are let in; all of these must let one in."
    )
    timeouts: RouteTimeoutsSection | None = Field(default=None, description="Deadlines, where not the upstream's.")
    retries: RetriesSection | None = Field(default=None, description="When a request is sent again.")
    hedging: HedgingSection | None = Field(default=None, description="Sending a slow read twice; off unless given.")
    fallback: RouteFallbackSection | None = Field(
        default=None, description="What answers when nobody else can; nothing unless given."
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
    limits: RouteLimitsSection | None = Field(
        default=None, description="What is accepted, where not as on the migration's other routes."
    )
    headers: HeaderChangesSection | None = Field(
        default=None, description="Header fields that are changed, instead of the migration's."
    )
    cors: CorsSection | None = Field(
        default=None, description="Pages of other origins that may ask, instead of the migration's."
    )
    rewrite: RewriteSection | None = Field(
        default=None, description="The path that the extracted side sees; the legacy side sees the client's."
    )
    rate_limits: list[RateLimitSection] = Field(
        default=[], description="How many requests are let in, beside the migration's limits."
    )
    timeouts: RouteTimeoutsSection | None = Field(
        default=None, description="Deadlines, where not the migration's or the upstream's."
    )
    retries: RetriesSection | None = Field(
        default=None, description="When a request is sent again, instead of what the migration says."
    )
    hedging: HedgingSection | None = Field(
        default=None, description="Sending a slow read twice; as the migration says unless given."
    )
    fallback: RouteFallbackSection | None = Field(
        default=None, description="What answers when nobody else can; nothing unless given."
    )


class CanarySection(Section):
    """Which share of the callers the extracted side serves."""

    percent: Annotated[Number, Field(ge=0, le=100)] = Field(
        description="The share in percent, to two decimals.", examples=[10]
    )
    sticky: Annotated[list[Sticky], OneOrMany(), Field(min_length=1)] | None = Field(
        default=None,
        description="What keeps a caller on its side: the first of these that a request has. "
        "`[claim:sub, visitor]` where the migration has `auth`, else `[visitor]`. A caller is on the extracted side "
        "where xxHash64 (seed 0) of `MIGRATION:KEY` in UTF-8, modulo 10,000, is below the percentage times 100.",
    )

    @field_validator("percent")
    @classmethod
    def _two_decimals(cls, percent: float) -> float:
        if abs(percent * 100 - round(percent * 100)) > 1e-6:
            raise ValueError("has more than two decimals")
        return percent


class OverrideSection(Section):
    """A header by which a permitted caller picks the side of one request."""

    header: HeaderName = Field(description="The header; its value is `legacy` or `extracted`.", examples=["X-Side"])
    permitted: Permission = Field(description="Who may: a claim or a scope of a verified token.")


class MigrationSection(Section):
    """One business capability that moves from an upstream to another."""

    from_: Text = Field(alias="from", description="The upstream of the legacy side.")
    to: Text = Field(description="The upstream of the extracted side.")
    stage: Annotated[Stage, Field(strict=False)] = Field(
        description="Where the migration stands: `legacy`, `shadow`, `canary`, `extracted` or `retired`."
    )
    canary: CanarySection | None = Field(default=None, description="The split; needed in stage canary.")
    always: Annotated[list[CallerCondition], OneOrMany()] = Field(
        default=[],
        description="In stage canary, callers that are on the extracted side whatever the percentage.",
    )
    never: Annotated[list[CallerCondition], OneOrMany()] = Field(
        default=[],
        description="In stage canary, callers that stay on the legacy side; stronger than `always`.",
    )
    shadow: ShadowSection | None = Field(
        default=None,
        description="Copying requests to the other side and comparing; in stage shadow with its defaults unless given.",
    )
    override: OverrideSection | None = Field(default=None, description="Picking a side by header; off unless given.")
    auth: RequirementSection | None = Field(default=None, description="What is asked of callers on all its routes.")
    limits: RouteLimitsSection | None = Field(
        default=None, description="What is accepted on all its routes, where not as everywhere."
    )
    headers: HeaderChangesSection | None = Field(
        default=None, description="Header fields that are changed on all its routes."
    )
    cors: CorsSection | None = Field(default=None, description="Pages of other origins that may ask on all its routes.")
    compare: CompareSection = Field(default=CompareSection(), description="How the two sides' answers are compared.")
    rate_limits: list[RateLimitSection] = Field(
        default=[], description="How many requests are let in on all its routes together."
    )
    timeouts: RouteTimeoutsSection | None = Field(
        default=None, description="Deadlines on all its routes, where not the upstreams'."
    )
    retries: RetriesSection | None = Field(default=None, description="When a request is sent again, on all its routes.")
    hedging: HedgingSection | None = Field(
        default=None, description="Sending a slow read twice, on all its routes; off unless given."
    )
    breaker: BreakerSection | None = Field(
        default=None,
        description="Refusing requests of this migration while too many fail, each side by itself; off unless given.",
    )
    fallback: LegacyFallbackSection = Field(
        default=LegacyFallbackSection(), description="Having the legacy side answer because the extracted side can't."
    )
    routes: Annotated[list[MigrationRouteSection], Field(min_length=1)] = Field(
        description="The requests that are this capability."
    )
