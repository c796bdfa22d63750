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
from strangler.config.schema.rollout import RolloutSection
from strangler.config.schema.section import Section, Text
from strangler.config.schema.shadow import ShadowSection
from strangler.model.migration import Stage


class MatchSection(Section):
    """Which requests a route matches; all conditions must hold."""

    host: MatchHost | None = Field(
        default=None, description="The host, without port; `*.shop.example` is every subdomain."
    )
    path: Text | None = Field(
        default=None,
        description="The path: `/a/b` matches exactly, `*` one segment, `{name}` one segment with a name, `**` the rest"
        " (only at the end). Default: every path.",
        examples=["/api/catalog/**", "/api/users/{id}"],
    )
    methods: Annotated[list[Method], OneOrMany(), Field(min_length=1)] | None = Field(
        default=None, description="The methods. Default: every method."
    )
    headers: dict[HeaderName, str | None] = Field(
        default={},
        description="Headers that must have this value, or be present if the value is null. If a request has several"
        " values, in lists or in spellings such as `X_Mode` that servers fold, the route that requires a"
        " token is chosen.",
    )
    query: dict[Text, str | None] = Field(
        default={},
        description="Query parameters that must have this value, or be present if the value is null. Several values are"
        " treated as for headers.",
    )

    @model_validator(mode="after")
    def _something(self) -> MatchSection:
        if not self.model_fields_set:
            raise ValueError("matches every request: set a path or another condition")
        return self


class RouteLimitsSection(Section):
    """Limits of a route that differ from `limits` at the top level."""

    body_bytes: Size = Field(description="The maximum size of a request body.")


class RouteSection(Section):
    """Requests that go to one upstream."""

    name: Name = Field(description="The name in logs, metrics and explanations.")
    match: MatchSection = Field(description="Which requests match.")
    upstream: Text = Field(description="The upstream that serves them.")
    auth: RequirementSection | None = Field(default=None, description="What the caller must present. Default: nothing.")
    limits: RouteLimitsSection | None = Field(default=None, description="Limits that differ from the general ones.")
    headers: HeaderChangesSection | None = Field(default=None, description="Changes to header fields.")
    cors: CorsSection | None = Field(default=None, description="CORS: pages of other origins that may send requests.")
    rewrite: RewriteSection | None = Field(default=None, description="The path that the upstream gets.")
    rate_limits: list[RateLimitSection] = Field(
        default=[], description="Rate limits; a request must be within all of them."
    )
    timeouts: RouteTimeoutsSection | None = Field(
        default=None, description="Deadlines that differ from the upstream's."
    )
    retries: RetriesSection | None = Field(default=None, description="When a request is retried.")
    hedging: HedgingSection | None = Field(default=None, description="Hedging of slow reads. Default: off.")
    fallback: RouteFallbackSection | None = Field(
        default=None, description="The response if no upstream sends one. Default: an error of the gateway."
    )


class MigrationRouteSection(Section):
    """Requests that belong to a migration."""

    name: Name | None = Field(
        default=None,
        description="The name after the migration's, as in `catalog/products`. Default: its number.",
    )
    match: MatchSection = Field(description="Which requests match.")
    auth: RequirementSection | None = Field(
        default=None, description="What the caller must present, instead of what the migration requires."
    )
    limits: RouteLimitsSection | None = Field(
        default=None, description="Limits that differ from those of the migration's other routes."
    )
    headers: HeaderChangesSection | None = Field(
        default=None, description="Changes to header fields, instead of the migration's."
    )
    cors: CorsSection | None = Field(default=None, description="CORS, instead of the migration's.")
    rewrite: RewriteSection | None = Field(
        default=None, description="The path that the extracted side gets; the legacy side gets the client's."
    )
    rate_limits: list[RateLimitSection] = Field(default=[], description="Rate limits, in addition to the migration's.")
    timeouts: RouteTimeoutsSection | None = Field(
        default=None, description="Deadlines that differ from the migration's or the upstream's."
    )
    retries: RetriesSection | None = Field(
        default=None, description="When a request is retried, instead of the migration's settings."
    )
    hedging: HedgingSection | None = Field(default=None, description="Hedging of slow reads. Default: the migration's.")
    fallback: RouteFallbackSection | None = Field(
        default=None, description="The response if no upstream sends one. Default: an error of the gateway."
    )


class CanarySection(Section):
    """The share of callers that the extracted side serves."""

    percent: Annotated[Number, Field(ge=0, le=100)] | None = Field(
        default=None,
        description="The share in percent, with up to two decimals; required in stage canary.",
        examples=[10],
    )
    sticky: Annotated[list[Sticky], OneOrMany(), Field(min_length=1)] | None = Field(
        default=None,
        description="What keeps a caller on its side: the first of these that a request has. Default: `[claim:sub,"
        " visitor]` if the migration has `auth`, else `[visitor]`. A caller is on the extracted side if xxHash64 (seed"
        " 0) of `MIGRATION:KEY` in UTF-8, modulo 10,000, is below the percentage times 100.",
    )

    @field_validator("percent")
    @classmethod
    def _two_decimals(cls, percent: float | None) -> float | None:
        if percent is not None and abs(percent * 100 - round(percent * 100)) > 1e-6:
            raise ValueError("has more than two decimals")
        return percent


class OverrideSection(Section):
    """A header by which a permitted caller chooses the side of one request."""

    header: HeaderName = Field(description="The header; its value is `legacy` or `extracted`.", examples=["X-Side"])
    permitted: Permission = Field(description="Who may use it: a claim or a scope of a verified token.")


class MigrationSection(Section):
    """A business capability that moves from one upstream to another."""

    from_: Text = Field(alias="from", description="The upstream of the legacy side.")
    to: Text = Field(description="The upstream of the extracted side.")
    stage: Annotated[Stage, Field(strict=False)] = Field(
        description="The progress of the migration: `legacy`, `shadow`, `canary`, `extracted` or `retired`;"
        " or `rollout`: the controller moves it by evidence. Every other stage outranks the controller at once."
    )
    canary: CanarySection | None = Field(
        default=None, description="The split; required in stage canary. In stage rollout only `sticky` has an effect."
    )
    rollout: RolloutSection | None = Field(
        default=None, description="How the controller may move it; required in stage rollout."
    )
    always: Annotated[list[CallerCondition], OneOrMany()] = Field(
        default=[],
        description="In stages canary and rollout, callers that the extracted side serves whatever the percentage.",
    )
    never: Annotated[list[CallerCondition], OneOrMany()] = Field(
        default=[],
        description="In stages canary and rollout, callers that stay on the legacy side; overrides `always`.",
    )
    shadow: ShadowSection | None = Field(
        default=None,
        description="Copying requests to the other side and comparing responses. Default: in stage shadow, with its"
        " defaults.",
    )
    override: OverrideSection | None = Field(default=None, description="Choosing a side by header. Default: off.")
    auth: RequirementSection | None = Field(default=None, description="What callers must present on all its routes.")
    limits: RouteLimitsSection | None = Field(
        default=None, description="Limits on all its routes that differ from the general ones."
    )
    headers: HeaderChangesSection | None = Field(
        default=None, description="Changes to header fields on all its routes."
    )
    cors: CorsSection | None = Field(default=None, description="CORS on all its routes.")
    compare: CompareSection = Field(default=CompareSection(), description="How the two sides' responses are compared.")
    rate_limits: list[RateLimitSection] = Field(default=[], description="Rate limits on all its routes together.")
    timeouts: RouteTimeoutsSection | None = Field(
        default=None, description="Deadlines on all its routes that differ from the upstreams'."
    )
    retries: RetriesSection | None = Field(default=None, description="When a request is retried, on all its routes.")
    hedging: HedgingSection | None = Field(
        default=None, description="Hedging of slow reads on all its routes. Default: off."
    )
    breaker: BreakerSection | None = Field(
        default=None,
        description="A circuit breaker for this migration, for each side separately. Default: off.",
    )
    fallback: LegacyFallbackSection = Field(
        default=LegacyFallbackSection(),
        description="When the legacy side serves requests that the extracted side can't.",
    )
    routes: Annotated[list[MigrationRouteSection], Field(min_length=1)] = Field(
        description="The requests that belong to this capability."
    )
