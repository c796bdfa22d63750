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
    """A rate limit: a token bucket per key."""

    requests: Count = Field(description="How many requests per `per` are allowed in the long run.", examples=[100])
    per: Duration = Field(default=1.0, description="The period of `requests`.")
    burst: Count | None = Field(default=None, description="How many requests are allowed at once. Default: `requests`.")
    key: Annotated[list[LimitKey], OneOrMany(), Field(min_length=1)] | None = Field(
        default=None,
        description="What identifies a caller: the first of these that a request has. Requests that have none are"
        " counted together. Default: all requests are counted together.",
        examples=[["claim:sub", "ip"]],
    )


class RedisSection(Section):
    """The Redis server in which several machines share the counts of rate limits."""

    url: RedisUrl = Field(description="The URL of the server.", examples=["redis://127.0.0.1:6379/0"])
    timeout: Duration = Field(default=_REDIS.timeout, description="How long a request may wait for Redis to respond.")
    unavailable: Literal["local", "refuse"] = Field(
        default=_REDIS.unavailable,
        description="What happens while Redis is unavailable: each machine limits on its own, or requests to limited"
        " routes get 503.",
    )
