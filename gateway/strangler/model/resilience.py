"""How failures are handled, compiled from the configuration: a part of the snapshot.

Defaults stand here alone; the YAML's models take theirs from these classes.
Units: durations are seconds, sizes are bytes, percentages are 0 to 100.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from strangler.model.caller import StickyKey
from strangler.model.methods import SAFE

CANNOT_ANSWER = frozenset({502, 503, 504})
MIB = 1024 * 1024


class BalancingPolicy(StrEnum):
    """How the endpoint of a request is chosen."""

    ROUND_ROBIN = "round_robin"
    LEAST_REQUESTS = "least_requests"
    CONSISTENT_HASH = "consistent_hash"


@dataclass(frozen=True, slots=True)
class Balancing:
    """Which endpoint of an upstream gets a request; `key` is for consistent hashing alone."""

    policy: BalancingPolicy = BalancingPolicy.ROUND_ROBIN
    key: tuple[StickyKey, ...] = ()
    slow_start: float = 0.0


@dataclass(frozen=True, slots=True)
class Resolve:
    """How the names of an upstream's endpoints are looked up again.

    `nameservers` are addresses and ports; those of the machine where there are none.
    """

    interval: float = 10.0
    timeout: float = 3.0
    nameservers: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Ejection:
    """When an endpoint that fails requests gets none for a while.

    With `error_percent` None only consecutive failures count. `statuses` are
    response statuses that count as failures.
    """

    consecutive_failures: int = 5
    error_percent: float | None = None
    minimum_requests: int = 20
    window: float = 10.0
    statuses: frozenset[int] = frozenset()
    time: float = 10.0
    longest_time: float = 300.0
    largest_percent: float = 50.0


@dataclass(frozen=True, slots=True)
class BreakerSettings:
    """When requests are refused at once because too many fail or are slow; `slow` None looks at failures alone."""

    error_percent: float = 50.0
    slow: float | None = None
    slow_percent: float = 50.0
    window: float = 10.0
    minimum_requests: int = 20
    open_time: float = 5.0
    probes: int = 3


@dataclass(frozen=True, slots=True)
class RetryBudget:
    """How many retries an upstream may get: a share of its requests, and a number a second besides."""

    percent: float = 20.0
    minimum: float = 3.0


@dataclass(frozen=True, slots=True)
class Concurrency:
    """How many requests of one worker an upstream gets at once, and how many wait how long."""

    limit: int
    queue: int = 100
    wait: float = 1.0


@dataclass(frozen=True, slots=True)
class Retries:
    """When a request is sent again; `attempts` are those after the first.

    If `timeouts` is true, a request that timed out is sent again. `statuses` are
    response statuses after which a request with one of `methods` is. `body` is
    the maximum request body that is kept for that, in bytes. With
    `same_endpoint`, the endpoint that failed is tried again if no other is left.
    """

    attempts: int = 1
    methods: frozenset[str] = SAFE
    statuses: frozenset[int] = frozenset()
    timeouts: bool = False
    backoff: float = 0.025
    longest_backoff: float = 1.0
    body: int = 65_536
    same_endpoint: bool = False


@dataclass(frozen=True, slots=True)
class LegacyFallback:
    """When the legacy side serves a request because the extracted side can't."""

    methods: frozenset[str] = SAFE
    statuses: frozenset[int] = CANNOT_ANSWER


@dataclass(frozen=True, slots=True)
class Stale:
    """How long responses are stored for use when no upstream responds, and in how much memory of one worker."""

    if_error: float = 300.0
    memory: int = 16 * MIB


@dataclass(frozen=True, slots=True)
class StaticResponse:
    """A fixed response of the gateway: status, content type and body."""

    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class RouteFallback:
    """The response of a route when no upstream gives one: a stored response, else `static`."""

    statuses: frozenset[int] = CANNOT_ANSWER
    stale: Stale | None = None
    static: StaticResponse | None = None


@dataclass(frozen=True, slots=True)
class Hedging:
    """After how long a read without a response yet is also sent to another endpoint."""

    after: float
