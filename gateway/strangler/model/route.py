"""A route: a match, and what serves it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from strangler.model.auth import AuthRequirement
from strangler.model.changes import Changes, Cors
from strangler.model.folding import EXACT
from strangler.model.migration import Migration
from strangler.model.rate_limits import RateLimit
from strangler.model.resilience import Hedging, Retries, RouteFallback
from strangler.model.upstream import Timeouts
from strangler.model.yaml_place import YamlPlace

NO_ROUTE = "default"
"""What explanations and routing tests call it that no route matches: no route may have this name."""


@dataclass(frozen=True, slots=True)
class FieldMatch:
    """A header or query condition of a route; `value` None matches any value."""

    name: str
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """A match and what serves it: an upstream, or a migration's two sides.

    `body_bytes` None is the limit of all routes. `changes` are by upstream, None
    where nothing is changed on the way.
    `shadowed` is whether its migration copies requests at its stage.
    `timeouts` are by upstream, empty where they are the upstream's own. `plain`:
    its exchanges need nothing besides one attempt. `careful`: they may need more
    than the first attempt, or storage. `folding` is that of its upstreams together.
    `counted`: callers of its migration are counted (`CallerCounting`); one is slow
    after `slow_after` seconds.
    """

    name: str
    number: int
    host: str
    path: str
    methods: frozenset[str]
    headers: tuple[FieldMatch, ...]
    query: tuple[FieldMatch, ...]
    upstream: str
    migration: Migration | None
    auth: AuthRequirement | None
    source: YamlPlace
    folding: int = EXACT
    shadowed: bool = False
    counted: bool = False
    slow_after: float = math.inf
    rate_limits: tuple[RateLimit, ...] = ()
    timeouts: Mapping[str, Timeouts] = field(default_factory=dict, hash=False)
    retries: Retries = Retries()
    hedging: Hedging | None = None
    fallback: RouteFallback | None = None
    body_bytes: int | None = None
    changes: Mapping[str, Changes] | None = field(default=None, hash=False)
    cors: Cors | None = None
    plain: bool = field(init=False, compare=False)
    careful: bool = field(init=False, compare=False)

    def __post_init__(self) -> None:
        careful = self.hedging is not None or self.fallback is not None
        object.__setattr__(self, "careful", careful)
        object.__setattr__(self, "plain", not (careful or self.shadowed or self.timeouts or self.rate_limits))

    def changes_for(self, upstream: str) -> Changes | None:
        """What is changed on the way to and from `upstream`."""
        return None if self.changes is None else self.changes.get(upstream)
