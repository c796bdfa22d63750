"""Rate limits, and the Redis in which several machines count together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from strangler.model.caller import StickyKey


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `requests` within `per` seconds in the long run, `burst` at once, for each key.

    `name` is the route's or `MIGRATION/*`, with a number from the second on. A request counts by the
    first of `keys` that it has, together with all others where it has none.
    """

    name: str
    requests: int
    per: float
    burst: int
    keys: tuple[StickyKey, ...] = ()


@dataclass(frozen=True, slots=True)
class Redis:
    """Where machines count together, how many seconds that may take, and what happens without it."""

    url: str = field(repr=False)
    timeout: float = 0.1
    unavailable: Literal["local", "refuse"] = "local"
