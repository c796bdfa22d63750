"""The evidence about a migration, summed up, with a verdict.

A verdict is a bound: the share of wrong responses that the evidence does not
rule out, at 95 %. A migration is *proven* only if the comparison itself was
tested, enough of the requests were compared, and the target is shown for all
pairs together and for each operation that had requests.
The evidence is what shadowing has stored (`stored_evidence`), or what a replay
has just found (`strangler.replay.results`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from strangler.shadow.noise.noise import Learned

TARGET = 0.001
"""The share of wrong responses that a migration is measured against unless another is asked for."""

FEW_CALLERS = 10
FEW_REQUESTS = 10
"""The report warns about fewer different callers or requests than this."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What `compared` pairs prove, `wrong` of which count against the candidate.

    `bound` is the share that is not ruled out, `missing` how many more right
    pairs bring it below the target (None: it can't get there), `seconds_to_go`
    how long they take at the rate so far, None where that can't be said.
    """

    compared: int
    wrong: int
    bound: float
    missing: int | None
    seconds_to_go: float | None
    proven: bool


@dataclass(frozen=True, slots=True)
class OperationProof:
    """What is proven about one operation.

    `sampled` requests were meant to be compared, `compared` of them were;
    `callers` and `requests` are how many different ones the proof rests on.
    """

    operation: str
    route: str
    sampled: int
    compared: int
    callers: int
    requests: int
    proof: Proof


@dataclass(frozen=True, slots=True)
class ClassProof:
    """What is proven about differences of one class of risk: `high`, `medium`, `low` or `authentication`."""

    risk: str
    proof: Proof


@dataclass(frozen=True, slots=True)
class EpochSummary:
    """Which version of both sides and of the rules the evidence is about, and why it began.

    `current` is False for an older epoch that was asked for.
    """

    id: str
    began: float
    last: float
    reason: str
    legacy: str
    extracted: str
    current: bool


@dataclass(frozen=True, slots=True)
class SignatureReport:
    """One difference as often as it was found, and pairs that have it; `example` is the latest one's document."""

    signature: str
    path: str
    kind: str
    risk: str
    count: int
    operations: tuple[str, ...]
    examples: tuple[int, ...]
    example: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Latency:
    """How one side responded: percentiles in seconds, None where it never did; errors are 5xx or nothing."""

    count: int
    errors: int
    p50: float | None
    p95: float | None
    p99: float | None


@dataclass(frozen=True, slots=True)
class OperationLatency:
    """Both sides' responses to one operation."""

    operation: str
    legacy: Latency
    extracted: Latency


@dataclass(frozen=True, slots=True)
class ShadowReport:
    """The evidence about one migration since `since` (seconds since 1970).

    `sampled` requests were to be compared; `compared` of them were, including
    those that the candidate failed to answer. `lagging`, `failed`,
    `ignored` and `not_compared` count by length, reason or rule. `repeated`
    pairs are of a caller who asked for the same thing within the hour,
    `equal_errors` are the same error on both sides: neither is evidence.
    `live` tells shadowed traffic from a replay, which looks at its evidence
    once and has no epoch. `noise` is all that was ever learned of what
    legacy varies. `blocking` is why nothing is proven, the most telling first.
    """

    migration: str
    since: float
    until: float
    target: float
    confidence: float
    sampled: int
    compared: int
    matched: int
    mismatched: int
    proof: Proof
    unsteady: int = 0
    lagging: dict[str, int] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)
    ignored: dict[str, int] = field(default_factory=dict)
    not_compared: dict[str, int] = field(default_factory=dict)
    repeated: int = 0
    equal_errors: int = 0
    callers: int = 0
    requests: int = 0
    failures: Proof | None = None
    classes: tuple[ClassProof, ...] = ()
    operations: tuple[OperationProof, ...] = ()
    unrequested: tuple[str, ...] = ()
    signatures: tuple[SignatureReport, ...] = ()
    latencies: tuple[OperationLatency, ...] = ()
    epoch: EpochSummary | None = None
    live: bool = True
    noise: tuple[Learned, ...] = ()
    blocking: tuple[str, ...] = ()

    @property
    def proven(self) -> bool:
        """Whether the target is proven, and nothing speaks against believing it."""
        return not self.blocking

    @property
    def share_compared(self) -> float:
        """The share of the sampled requests that was compared, 0 to 1."""
        return self.compared / self.sampled if self.sampled else 0.0

    @property
    def lagged(self) -> int:
        """Pairs in which the candidate was behind legacy."""
        return sum(self.lagging.values())

    @property
    def unanswered(self) -> int:
        """Requests that the candidate failed to answer."""
        return sum(self.failed.values())

    @property
    def wrong(self) -> int:
        """All requests that count against the candidate, repeated ones too."""
        return self.mismatched + self.unsteady + self.lagged + self.unanswered

    @property
    def is_narrow(self) -> bool:
        """Whether the evidence comes from few callers or few different requests."""
        return bool(self.proof.compared) and (self.callers < FEW_CALLERS or self.requests < FEW_REQUESTS)

    def as_json(self) -> dict[str, Any]:
        """The same as plain values."""
        return {**asdict(self), "proven": self.proven, "share_compared": self.share_compared, "wrong": self.wrong}
