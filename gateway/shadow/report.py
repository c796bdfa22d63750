"""What the evidence about a migration says, summed up, with a verdict.

A verdict is a bound: the mismatch rate that the number of pairs does not rule
out, at 95 %. Pairs that match in an error say nothing about equivalence and are
left out of it. The evidence is what shadowing has stored (`stored_evidence`),
or what a replay has just found (`gateway.replay.evidence`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from gateway.shadow.noise import Learned

TARGET = 0.001
"""The mismatch rate that a migration is measured against unless another is asked for."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What `compared` pairs prove about all of a migration or one of its routes.

    `bound` is the mismatch rate that is not ruled out, `missing` how many more
    pairs without a mismatch bring it below the target (None: it can't get
    there), `seconds_to_go` how long they take at the rate so far, None where
    that can't be said.
    """

    compared: int
    mismatched: int
    bound: float
    missing: int | None
    seconds_to_go: float | None
    proven: bool


@dataclass(frozen=True, slots=True)
class RouteProof:
    """A route of the migration, its pattern, and what is proven about it."""

    route: str
    pattern: str
    proof: Proof


@dataclass(frozen=True, slots=True)
class SignatureCount:
    """One difference as often as it was found, and pairs that have it; `example` is the latest one's document."""

    signature: str
    path: str
    kind: str
    risk: str
    count: int
    endpoints: tuple[str, ...]
    examples: tuple[int, ...]
    example: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Latency:
    """How one side answered an endpoint: percentiles in seconds, None where it never did; errors are 5xx or nothing."""

    count: int
    errors: int
    p50: float | None
    p95: float | None
    p99: float | None


@dataclass(frozen=True, slots=True)
class EndpointLatency:
    """Both sides' answers to one endpoint: a method and a route's pattern."""

    endpoint: str
    legacy: Latency
    extracted: Latency


@dataclass(frozen=True, slots=True)
class Report:
    """The evidence about one migration since `since` (seconds since 1970); `noise` is all that was ever learned."""

    migration: str
    since: float
    until: float
    target: float
    confidence: float
    compared: int
    matched: int
    without_evidence: int
    mismatched: int
    ignored: dict[str, int]
    not_compared: dict[str, int]
    proof: Proof
    signatures: tuple[SignatureCount, ...]
    endpoints: tuple[EndpointLatency, ...]
    routes: tuple[RouteProof, ...]
    noise: tuple[Learned, ...] = ()

    @property
    def unproven(self) -> tuple[RouteProof, ...]:
        """The routes that no pair has covered."""
        return tuple(route for route in self.routes if not route.proof.compared)

    def as_json(self) -> dict[str, Any]:
        """The same as plain values."""
        return {**asdict(self), "unproven": [route.route for route in self.unproven]}
