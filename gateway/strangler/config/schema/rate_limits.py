"""`rate_limits:` of routes and migrations, and `redis:`, where machines share the counts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from strangler.config.schema.field_types.callers import LimitKey
from strangler.config.schema.field_types.quantities import Duration
from strangler.config.schema.field_types.scalars import Count, OneOrMany
from strangler.config.schema.field_types.urls import RedisUrl
from strangler.config.schema.section import Section
from strangler.model.rate_limits import Redis

_REDIS = Redis("")


class RateLimitSection(Section):
    """A token bucket for each key."""

    requests: Count = Field(description="How many requests are let in within `per`, in the long run.", examples=[100])
    per: Duration = Field(default=1.0, description="Within which time.")
    burst: Count | None = Field(
        default=None, description="How many of them at once; as many as `requests` unless given."
    )
    key: Annotated[list[LimitKey], OneOrMany(), Field(min_length=1)] | None = Field(
        default=None,
        description="Whom it counts by: the first of these that a request has. Requests that have none are counted "
        "together, as all are unless this is given.",
        examples=[["claim:sub", "ip"]],
    )


class RedisSection(Section):
    """Where several machines count together for rate limits."""

    url: RedisUrl = Field(description="The server.", examples=["redis://127.0.0.1:6379/0"])
    timeout: Duration = Field(default=_REDIS.timeout, description="How long a request may wait for its answer.")
    unavailable: Literal["local", "refuse"] = Field(
        default=_REDIS.unavailable,
        description="What happens without it: each machine limits by itself, or requests to limited routes get 503.",
    )
