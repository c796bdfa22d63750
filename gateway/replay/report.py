"""What a replay found, added up: outcomes, signatures with an example each, and how fast both sides were."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from gateway.replay.endpoints import endpoint_of
from gateway.replay.recorded import Recording
from gateway.replay.replay import NOT_ANSWERED, Judgement
from gateway.shadow.comparison import Outcome
from gateway.shadow.difference import Difference
from gateway.shadow.verdict import CONFIDENCE, upper_bound

PERCENTILES = (50, 95, 99)


@dataclass(slots=True)
class SideReport:
    """One side's answers: the seconds of each, how many were 4xx or 5xx, and how many never came."""

    seconds: list[float] = field(default_factory=list)
    errors: int = 0
    unanswered: int = 0

    def percentile(self, percent: int) -> float | None:
        """The seconds that `percent` of the answers took at most."""
        if not self.seconds:
            return None
        ordered = sorted(self.seconds)
        return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]

    def as_json(self) -> dict[str, Any]:
        """Counts, and latencies in milliseconds."""
        latencies = {f"p{percent}": _milliseconds(self.percentile(percent)) for percent in PERCENTILES}
        return {"errors": self.errors, "unanswered": self.unanswered, "latency_ms": latencies}


@dataclass(slots=True)
class Counts:
    """How many requests came to which outcome. `evidence` counts pairs that say anything about equivalence."""

    outcomes: Counter[str] = field(default_factory=Counter)
    not_compared: Counter[str] = field(default_factory=Counter)
    evidence: int = 0
    legacy: SideReport = field(default_factory=SideReport)
    extracted: SideReport = field(default_factory=SideReport)

    @property
    def mismatched(self) -> int:
        """Pairs that differ."""
        return self.outcomes[Outcome.MISMATCH]

    @property
    def compared(self) -> int:
        """Pairs that match, differ, or differ in nothing but what a rule lets pass."""
        return self.outcomes[Outcome.MATCH] + self.outcomes[Outcome.IGNORED] + self.mismatched

    @property
    def bound(self) -> float:
        """The largest mismatch rate that is not ruled out at 95 % confidence, from 0 to 1."""
        return upper_bound(self.evidence, self.mismatched)

    def add(self, judgement: Judgement) -> None:
        """Count a judgement."""
        comparison = judgement.comparison
        self.outcomes[comparison.outcome] += 1
        self.evidence += comparison.evidence
        if comparison.reason is not None:
            self.not_compared[comparison.reason] += 1
        for name, side, answered in (
            ("legacy", self.legacy, judgement.legacy),
            ("extracted", self.extracted, judgement.extracted),
        ):
            if answered is not None:
                side.seconds.append(answered.seconds)
                side.errors += answered.answer.status >= 400
            elif comparison.reason == NOT_ANSWERED[name]:
                side.unanswered += 1

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return {
            "compared": self.compared,
            "match": self.outcomes[Outcome.MATCH],
            "ignored": self.outcomes[Outcome.IGNORED],
            "mismatch": self.mismatched,
            "not_compared": dict(self.not_compared.most_common()),
            "evidence": self.evidence,
            "mismatch_rate_below": round(self.bound, 6),
            "legacy": self.legacy.as_json(),
            "extracted": self.extracted.as_json(),
        }


@dataclass(slots=True)
class Signature:
    """A difference that many pairs have, and the first request that had it."""

    example: Difference
    request: str
    source: str
    endpoints: Counter[str] = field(default_factory=Counter)
    expired_rule: str | None = None

    @property
    def count(self) -> int:
        """The pairs that have it."""
        return self.endpoints.total()

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        found = self.example
        return {
            "signature": found.signature,
            "kind": str(found.kind),
            "risk": str(found.risk),
            "count": self.count,
            "endpoints": dict(self.endpoints.most_common()),
            "expired_rule": self.expired_rule,
            "example": {
                "request": self.request,
                "source": self.source,
                "path": found.path,
                "legacy": found.legacy,
                "extracted": found.extracted,
            },
        }


class Report:
    """Adds up judgements of a recording."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.total = Counts()
        self.endpoints: dict[str, Counts] = {}
        self.signatures: dict[str, Signature] = {}
        self.ignored_by: Counter[str] = Counter()
        self.unanswered: dict[str, str] = {}

    def add(self, judgement: Judgement) -> None:
        """Add a judgement."""
        endpoint = endpoint_of(judgement.request)
        comparison = judgement.comparison
        for counts in (self.total, self.endpoints.setdefault(endpoint, Counts())):
            counts.add(judgement)
        if judgement.detail is not None and comparison.reason is not None:
            self.unanswered.setdefault(comparison.reason, judgement.detail)
        self.ignored_by.update({rule for _, rule in comparison.ignored})
        expired = {difference.signature: rule for difference, rule in comparison.expired}
        for difference in {difference.signature: difference for difference in comparison.differences[::-1]}.values():
            signature = self.signatures.get(difference.signature)
            if signature is None:
                request = judgement.request
                signature = self.signatures[difference.signature] = Signature(difference, str(request), request.source)
                signature.expired_rule = expired.get(difference.signature)
            signature.endpoints[endpoint] += 1

    @property
    def equivalent(self) -> bool:
        """Whether something was compared, nothing of it differs, and both sides gave every answer."""
        unanswered = self.total.legacy.unanswered + self.total.extracted.unanswered
        return self.total.evidence > 0 and not self.total.mismatched and not unanswered

    def sorted_signatures(self) -> list[Signature]:
        """The riskiest first, and among those the most frequent."""
        risks = ("high", "medium", "low")
        return sorted(self.signatures.values(), key=lambda one: (risks.index(one.example.risk), -one.count))

    def sorted_endpoints(self) -> list[tuple[str, Counts]]:
        """Those with most mismatches first, and among those the ones most asked for."""
        return sorted(self.endpoints.items(), key=lambda item: (-item[1].mismatched, -item[1].outcomes.total()))

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        recording = self.recording
        return {
            "equivalent": self.equivalent,
            "confidence": CONFIDENCE,
            "requests": len(recording.requests),
            "skipped": dict(recording.skipped.most_common()),
            "unfilled": recording.unfilled,
            "redacted": sum(bool(request.redacted) for request in recording.requests),
            **self.total.as_json(),
            "ignored_by": dict(self.ignored_by.most_common()),
            "signatures": [signature.as_json() for signature in self.sorted_signatures()],
            "endpoints": {name: counts.as_json() for name, counts in self.sorted_endpoints()},
        }


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)
