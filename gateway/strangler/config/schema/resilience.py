"""What the YAML may say about failures: of upstreams, of migrations and of routes."""

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
    Breaker,
    Concurrency,
    Ejection,
    LegacyFallback,
    Policy,
    Resolve,
    Retries,
    RetryBudget,
    RouteFallback,
    Stale,
)

_RESOLVE = Resolve()
_EJECTION = Ejection()
_BREAKER = Breaker()
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

    policy: Annotated[Policy, Field(strict=False)] = Field(
        default=Policy.ROUND_ROBIN,
        description="`round_robin`: in turn; `least_requests`: the less busy of two drawn ones; `consistent_hash`: "
        "the same one for the same `key`.",
    )
    key: Annotated[list[Sticky], OneOrMany()] = Field(
        default=[],
        description="What `consistent_hash` goes by: the first of these that a request has; in turn for one that has "
        "none. `visitor` counts once the split has set its cookie.",
    )
    slow_start: DurationOrZero = Field(
        default=0.0,
        description="How long an endpoint that comes back takes to get its whole share; not with `consistent_hash`.",
    )


class ResolveSection(Section):
    """Looking up the names of endpoints again and again; each address (A, AAAA) is then an endpoint of its own."""

    interval: Duration = Field(default=_RESOLVE.interval, description="The time from one look-up to the next.")
    timeout: Duration = Field(default=_RESOLVE.timeout, description="How long a look-up may take.")
    nameservers: Annotated[list[NameServer], OneOrMany()] = Field(
        default=[], description="Name servers to ask; those of the machine unless given."
    )


class EjectionSection(Section):
    """Keeping requests from an endpoint that fails them; each worker judges by its own requests."""

    enabled: Flag = Field(default=True, description="Whether to eject at all.")
    consecutive_failures: Count = Field(
        default=_EJECTION.consecutive_failures, description="Failures in a row that eject an endpoint."
    )
    error_percent: Share | None = Field(
        default=None,
        description="The share of failed requests in `window` that ejects, too; off unless given.",
        examples=[50],
    )
    minimum_requests: Count = Field(
        default=_EJECTION.minimum_requests, description="Fewer requests in `window` say nothing about a share."
    )
    window: Duration = Field(default=_EJECTION.window, description="What the share is taken over.")
    statuses: Annotated[list[FailureStatus], OneOrMany()] = Field(
        default=[],
        description="Answers that count as failures, beside connections that fail, break or take too long.",
        examples=[503],
    )
    time: Duration = Field(
        default=_EJECTION.time, description="How long the first ejection lasts; each repeat is that much longer."
    )
    longest_time: Duration = Field(default=_EJECTION.longest_time, description="The longest ejection.")
    largest_percent: Percent = Field(
        default=_EJECTION.largest_percent, description="No more of the endpoints are ejected at once."
    )


class BreakerSection(Section):
    """Refusing requests at once while too many fail (no answer, or a status from 500 on) or are slow."""

    error_percent: Share = Field(default=_BREAKER.error_percent, description="The share of failures that opens it.")
    slow: Duration | None = Field(
        default=None, description="From when on an answer is slow; slow ones are not counted unless given."
    )
    slow_percent: Share = Field(default=_BREAKER.slow_percent, description="The share of slow ones that opens it.")
    window: Duration = Field(default=_BREAKER.window, description="What the shares are taken over.")
    minimum_requests: Count = Field(
        default=_BREAKER.minimum_requests, description="Fewer requests of one worker begun in `window` open nothing."
    )
    open_time: Duration = Field(default=_BREAKER.open_time, description="How long all are refused.")
    probes: Count = Field(
        default=_BREAKER.probes, description="Requests that are then let through, and must all do well to close it."
    )


class RetryBudgetSection(Section):
    """How many retries an upstream may get, so that they can't become a storm."""

    percent: Percent = Field(default=_BUDGET.percent, description="Their share of the requests.")
    minimum: Annotated[Number, Field(ge=0)] = Field(
        default=_BUDGET.minimum, description="So many a second of one worker besides."
    )


class ConcurrencySection(Section):
    """How many requests an upstream gets at once."""

    limit: Count = Field(description="Requests of one worker at once.")
    queue: Annotated[Whole, Field(ge=0)] = Field(
        default=_CONCURRENCY.queue, description="Requests of one worker that wait for their turn; more get 503."
    )
    wait: Duration = Field(default=_CONCURRENCY.wait, description="How long one waits at the most, then it gets 503.")


class RouteTimeoutsSection(Section):
    """Deadlines of a route; those left out are the upstream's."""

    connect: Duration | None = Field(default=None, description="To connect to an endpoint.")
    response: Duration | None = Field(
        default=None, description="From the request's end to the head of the response, for each attempt."
    )
    idle: Duration | None = Field(default=None, description="The longest silence within a body.")
    total: Duration | None = Field(
        default=None, description="From the request's head to the end of the response, all attempts included."
    )


class RetriesSection(Section):
    """Sending a request again, to another endpoint, where that is safe.

    A request of which nothing was sent goes to each other endpoint in turn, whatever this says.
    """

    attempts: Annotated[Whole, Field(ge=0)] = Field(
        default=_RETRIES.attempts, description="How often, at the most; 0 is never."
    )
    methods: Annotated[list[Method], OneOrMany()] = Field(
        default=sorted(_RETRIES.methods),
        description="Methods that are repeated. After a broken connection or a deadline only the idempotent ones among "
        "them are (RFC 9110), after an answer with one of `statuses` all.",
    )
    statuses: Annotated[list[FailureStatus], OneOrMany()] = Field(
        default=[], description="Answers that say that nothing was done.", examples=[503]
    )
    timeouts: Flag = Field(default=False, description="Whether one that was not answered in time is sent again.")
    backoff: DurationOrZero = Field(
        default=_RETRIES.backoff,
        description="The longest wait before the first retry; it doubles, and waits are drawn at random.",
    )
    longest_backoff: DurationOrZero = Field(default=_RETRIES.longest_backoff, description="The longest wait.")
    body: Size = Field(default=_RETRIES.body, description="A request with a longer body is not sent again.")
    same_endpoint: Flag = Field(
        default=False,
        description="Whether an endpoint that failed is tried again where no other is left: for a single address that "
        "stands for several servers.",
    )


class HedgingSection(Section):
    """Sending a slow read (GET or HEAD without a body) to another endpoint, too, and taking the first answer."""

    after: Duration = Field(description="When the second is sent; about what 95 % are answered in.", examples=["200ms"])


class LegacyFallbackSection(Section):
    """Having the legacy side answer because the extracted side can't, in stages canary and extracted."""

    enabled: Flag = Field(default=True, description="Whether it ever does.")
    methods: Annotated[list[Method], OneOrMany()] = Field(
        default=sorted(_LEGACY.methods),
        description="Methods for which it does; others than GET, HEAD, OPTIONS and TRACE only if nothing was sent.",
    )
    statuses: Annotated[list[FailureStatus], OneOrMany()] = Field(
        default=sorted(_LEGACY.statuses), description="Answers of the extracted side that count as none."
    )


class StaleSection(Section):
    """Answering with what the same request got before; Cache-Control of the response decides what may be kept."""

    if_error: Duration = Field(
        default=_STALE.if_error,
        description="For how long beyond its freshness, where the response has no `stale-if-error` itself.",
    )
    memory: Size = Field(default=_STALE.memory, description="Memory for it, in each worker.")


class StaticSection(Section):
    """An answer of the gateway's own."""

    status: Annotated[Whole, Field(ge=200, le=599)] = Field(default=200, description="The status.")
    content_type: Annotated[str, Field(pattern="^[!-~]([ -~]*[!-~])?$")] = Field(
        default="application/json", description="The type of the body."
    )
    body: str = Field(description="The body.", examples=["[]"])


class RouteFallbackSection(Section):
    """What answers when neither the upstream nor, in a migration, the legacy side does."""

    statuses: Annotated[list[FailureStatus], OneOrMany()] = Field(
        default=sorted(_ROUTE.statuses), description="Answers of the upstream that count as none."
    )
    stale: StaleSection | None = Field(default=None, description="First, what was answered before; GET alone.")
    static: StaticSection | None = Field(default=None, description="Then, this.")

    @model_validator(mode="after")
    def _something(self) -> RouteFallbackSection:
        if self.stale is None and self.static is None:
            raise ValueError("falls back to nothing: give 'stale' or 'static'")
        return self
