"""From what was written about rate limits to what workers hold."""

from __future__ import annotations

from collections.abc import Sequence

from strangler.config.schema.rate_limits import RateLimitSection, RedisSection
from strangler.model.rate_limits import RateLimit, Redis


def compile_rate_limits(name: str, sections: Sequence[RateLimitSection]) -> tuple[RateLimit, ...]:
    """The limits that `name`, a route or `MIGRATION/*`, has."""
    return tuple(
        RateLimit(
            name=name if number == 1 else f"{name}:{number}",
            requests=section.requests,
            per=section.per,
            burst=section.burst or section.requests,
            keys=tuple(section.key or ()),
        )
        for number, section in enumerate(sections, 1)
    )


def compile_redis(section: RedisSection | None) -> Redis | None:
    """Where machines count together, if they do."""
    return None if section is None else Redis(str(section.url), section.timeout, section.unavailable)
