"""How failures are handled, in the YAML: of upstreams, of migrations and of routes."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from strangler.config.schema.field_types.addresses import NameServer
from strangler.config.schema.field_types.callers import Sticky
from strangler.config.schema.field_types.http_syntax import Method
from strangler.config.schema.field_types.quantities import Duration, DurationOrZero, Size
from strangler.config.schema.field_types.scalars import Count, FailureStatus, Flag, Number, OneOrMany, Whole
from strangler.config.schema.section import Section
from strangler.model.resilience import (
    BalancingPolicy,
    BreakerSettings,
    Concurrency,
    Ejection,
    LegacyFallback,
    Resolve,
    Retries,
    RetryBudget,
    RouteFallback,
    Stale,
)

_RESOLVE = Resolve()
_EJECTION = Ejection()
_BREAKER = BreakerSettings()
_BUDGET = RetryBudget()
_CONCURRENCY = Concurrency(1)
_RETRIES = Retries()
_LEGACY = LegacyFallback()
_ROUTE = RouteFallback()
_STALE = Stale()

Percent = Annotated[Number, Field(ge=0, le=100)]
Share = Annotated[Number, Field(gt=0, le=100)]


class BalancingSection(Section):
    """Which endpoint of an upstream gets a request."""

    policy: Annotated[BalancingPolicy, Field(strict=False)] = Field(
        default=BalancingPolicy.ROUND_ROBIN,
        description="`round_robin`: in turn; `least_requests`: the one with fewer requests of two drawn at random;"
        " `consistent_hash`: the same one for the same `key`.",
    )
    key: Annotated[list[Sticky], OneOrMany()] = Field(
        default=[],
        description="What `consistent_hash` hashes: the first of these that a request has; a request that has none gets"
        " an endpoint in turn. `visitor` applies once the split has set its cookie.",
    )
    slow_start: DurationOrZero = Field(
        default=0.0,
        description="How long an endpoint that recovers takes to reach its full share; not with `consistent_hash`.",
    )


class ResolveSection(Section):
    """Periodic lookup of the endpoints' names; each address (A, AAAA) then is an endpoint of its own."""

    interval: Duration = Field(default=_RESOLVE.interval, description="The interval between lookups.")
    timeout: Duration = Field(default=_RESOLVE.timeout, description="The deadline for a lookup.")
    nameservers: Annotated[list[NameServer], OneOrMany()] = Field(
        default=[], description="The name servers to query. Default: those of the machine."
    )


class EjectionSection(Section):
    """Passive health checks: an endpoint that fails requests is ejected; each worker decides by its own requests."""

    enabled: Flag = Field(default=True, description="Whether to eject endpoints.")
    consecutive_failures: Count = Field(
        default=_EJECTION.consecutive_failures, description="Consecutive failures that eject an endpoint."
    )
    error_percent: Share | None = Field(
        default=None,
        description="The share of failed requests in `window` that ejects an endpoint as well, in percent. Default:"
        " off.",
        examples=[50],
    )
    minimum_requests: Count = Field(
        default=_EJECTION.minimum_requests,
        description="The minimum number of requests in `window` for `error_percent` to apply.",
    )
    window: Duration = Field(default=_EJECTION.window, description="The period over which the share is measured.")
    statuses: Annotated[list[FailureStatus], OneOrMany()] = Field(
        default=[],
        description="Response statuses that count as failures, besides failed connections and timeouts.",
        examples=[503],
    )
    time: Duration = Field(
        default=_EJECTION.time,
        description="How long the first ejection lasts; each repeated one is longer by this much.",
    )
    longest_time: Duration = Field(default=_EJECTION.longest_time, description="The maximum duration of an ejection.")
    largest_percent: Percent = Field(
        default=_EJECTION.largest_percent,
        description="The maximum share of endpoints that are ejected at once, in percent.",
    )


class BreakerSection(Section):
    """A circuit breaker: requests are refused while too many fail (no response, or 500 and above) or are slow."""

    error_percent: Share = Field(
        default=_BREAKER.error_percent, description="The share of failures that opens the breaker, in percent."
    )
    slow: Duration | None = Field(
        default=None,
        description="The time after which a response counts as slow. Default: slow responses are not counted.",
    )
    slow_percent: Share = Field(
        default=_BREAKER.slow_percent, description="The share of slow responses that opens the breaker, in percent."
    )
    window: Duration = Field(default=_BREAKER.window, description="The period over which the shares are measured.")
    minimum_requests: Count = Field(
        default=_BREAKER.minimum_requests,
        description="The minimum number of requests that one worker must have begun in `window` for the breaker to"
        " open.",
    )
    open_time: Duration = Field(
        default=_BREAKER.open_time, description="How long an open breaker refuses all requests."
    )
    probes: Count = Field(
        default=_BREAKER.probes,
        description="How many requests are let through then; the breaker closes if all of them succeed.",
    )


class RetryBudgetSection(Section):
    """The maximum share of retries that an upstream gets, so that they can't become a storm."""

    percent: Percent = Field(
        default=_BUDGET.percent, description="The maximum share of retries among requests, in percent."
    )
    minimum: Annotated[Number, Field(ge=0)] = Field(
        default=_BUDGET.minimum, description="Additional retries per second that each worker may make in any case."
    )


class ConcurrencySection(Section):
    """A limit on concurrent requests to an upstream."""

    limit: Count = Field(description="The maximum number of concurrent requests of one worker.")
    queue: Annotated[Whole, Field(ge=0)] = Field(
        default=_CONCURRENCY.queue, description="The maximum number of waiting requests of one worker; more get 503."
    )
    wait: Duration = Field(
        default=_CONCURRENCY.wait, description="The maximum time that a request waits before it gets 503."
    )


class RouteTimeoutsSection(Section):
    """Deadlines of a route; omitted ones are the upstream's."""

    connect: Duration | None = Field(default=None, description="The deadline for connecting to an endpoint.")
    response: Duration | None = Field(
        default=None, description="The deadline from the end of the request to the head of the response, per attempt."
    )
    idle: Duration | None = Field(default=None, description="The maximum time without data within a body.")
    total: Duration | None = Field(
        default=None,
        description="The deadline from the request's head to the end of the response, including all attempts.",
    )


class RetriesSection(Section):
    """Retries: sending a request again, to another endpoint, if that is safe.

    A request of which nothing was sent always goes to each other endpoint in turn.
    """

    attempts: Annotated[Whole, Field(ge=0)] = Field(
        default=_RETRIES.attempts, description="The maximum number of retries; 0 disables them."
    )
    methods: Annotated[list[Method], OneOrMany()] = Field(
        default=sorted(_RETRIES.methods),
        description="The methods that are retried. After a broken connection or a timeout, only the idempotent ones"
        " among them (RFC 9110); after a response with one of `statuses`, all.",
    )
    statuses: Annotated[list[FailureStatus], OneOrMany()] = Field(
        default=[],
        description="Response statuses that mean that the request had no effect and may be retried.",
        examples=[503],
    )
    timeouts: Flag = Field(default=False, description="Whether a request that timed out is retried.")
    backoff: DurationOrZero = Field(
        default=_RETRIES.backoff,
        description="The maximum wait before the first retry; it doubles with each retry, and the actual wait is"
        " random.",
    )
    longest_backoff: DurationOrZero = Field(
        default=_RETRIES.longest_backoff, description="The maximum wait before any retry."
    )
    body: Size = Field(
        default=_RETRIES.body,
        description="The maximum request body that is kept for a retry; a request with a longer one is not retried.",
    )
    same_endpoint: Flag = Field(
        default=False,
        description="Whether the endpoint that failed is tried again if no other is left: for an address behind which"
        " there are several servers.",
    )


class HedgingSection(Section):
    """Hedging: a slow read (GET, HEAD, no body) is also sent to another endpoint; the first response is used."""

    after: Duration = Field(
        description="The time after which the second request is sent; about the 95th percentile of the response time.",
        examples=["200ms"],
    )


class LegacyFallbackSection(Section):
    """The legacy side serves requests that the extracted side can't, in stages canary and extracted."""

    enabled: Flag = Field(default=True, description="Whether the fallback is enabled.")
    methods: Annotated[list[Method], OneOrMany()] = Field(
        default=sorted(_LEGACY.methods),
        description="The methods for which the legacy side is used; methods other than GET, HEAD, OPTIONS and TRACE"
        " only if nothing was sent.",
    )
    statuses: Annotated[list[FailureStatus], OneOrMany()] = Field(
        default=sorted(_LEGACY.statuses), description="Response statuses of the extracted side that count as failures."
    )


class StaleSection(Section):
    """An earlier response to the same request is used; its Cache-Control decides whether it may be stored."""

    if_error: Duration = Field(
        default=_STALE.if_error,
        description="How long after it is no longer fresh a stored response may be used, unless it has `stale-if-error`"
        " itself.",
    )
    memory: Size = Field(default=_STALE.memory, description="The maximum memory for stored responses, per worker.")


class StaticSection(Section):
    """A fixed response of the gateway."""

    status: Annotated[Whole, Field(ge=200, le=599)] = Field(default=200, description="The status.")
    content_type: Annotated[str, Field(pattern="^[!-~]([ -~]*[!-~])?$")] = Field(
        default="application/json", description="The Content-Type of the body."
    )
    body: str = Field(description="The body.", examples=["[]"])


class RouteFallbackSection(Section):
    """The response when neither the upstream nor, in a migration, the legacy side sends one."""

    statuses: Annotated[list[FailureStatus], OneOrMany()] = Field(
        default=sorted(_ROUTE.statuses), description="Response statuses of the upstream that count as failures."
    )
    stale: StaleSection | None = Field(
        default=None, description="First, an earlier response to the same request; GET only."
    )
    static: StaticSection | None = Field(default=None, description="Then, a fixed response.")

    @model_validator(mode="after")
    def _something(self) -> RouteFallbackSection:
        if self.stale is None and self.static is None:
            raise ValueError("has no fallback: set 'stale' or 'static'")
        return self
