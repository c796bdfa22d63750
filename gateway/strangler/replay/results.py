"""What a replay found, added up to the same report that shadowing gives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from time import time
from typing import Any

from strangler.comparison.compare import Outcome
from strangler.comparison.difference import Difference
from strangler.model.route import Route
from strangler.redaction.redaction import Redaction
from strangler.replay.ask import TimedResponse
from strangler.replay.operations import operation_of
from strangler.replay.recorded import RecordedRequest, RecordedRequests
from strangler.replay.replay import FAILED, LEGACY_NOT_ANSWERED, NO_RESPONSE, ReplayedPair
from strangler.shadow import pair as stored
from strangler.shadow.evidence.document import documented
from strangler.shadow.evidence.unwritten import AGAINST
from strangler.shadow.evidence.verdict import CONFIDENCE, verdict
from strangler.shadow.report.report import (
    TARGET,
    Latency,
    OperationLatency,
    OperationProof,
    Proof,
    ShadowReport,
    SignatureReport,
)
from strangler.shadow.report.words import proof_text

_RISKS = ("high", "medium", "low")


@dataclass(slots=True)
class Responses:
    """One side's responses to an operation: the seconds of each, and how many were 5xx or never came."""

    seconds: list[float] = field(default_factory=list)
    errors: int = 0
    missing: int = 0

    def latency(self) -> Latency:
        """As a report shows it."""
        ordered = sorted(self.seconds)
        shares = [_percentile(ordered, percent) for percent in (50, 95, 99)]
        return Latency(len(ordered) + self.missing, self.errors + self.missing, *shares)


def _percentile(ordered: list[float], percent: int) -> float | None:
    """The seconds that `percent` of the responses took at most."""
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)] if ordered else None


@dataclass(slots=True)
class Counts:
    """How many requests came to which outcome, and how many of the pairs are evidence."""

    outcomes: Counter[str] = field(default_factory=Counter)
    evidence: int = 0

    @property
    def sampled(self) -> int:
        """All requests."""
        return self.outcomes.total()

    @property
    def compared(self) -> int:
        """Requests to which legacy responded, by outcome."""
        return self.sampled - self.outcomes[Outcome.NOT_COMPARED]

    @property
    def wrong(self) -> int:
        """Requests that count against the candidate."""
        return sum(self.outcomes[outcome] for outcome in AGAINST)

    def proof(self) -> Proof:
        """What they prove, looked at once; how long more would take is not known."""
        judgement = verdict(self.evidence, self.wrong, TARGET)
        return Proof(self.evidence, self.wrong, judgement.bound, judgement.missing, None, judgement.proven)


@dataclass(slots=True)
class Found:
    """A difference that pairs have: the first such one, and how many pairs have it by operation."""

    difference: Difference
    example: dict[str, Any]
    operations: Counter[str] = field(default_factory=Counter)


class Results:
    """Adds up replayed pairs of a recording.

    `name` is what the report calls it: the migration, or the recording.
    `routes` are the migration's, none where there is no configuration.
    `urls` are those of the legacy and the extracted side.
    """

    def __init__(
        self,
        recording: RecordedRequests,
        name: str,
        urls: tuple[str, str] = ("", ""),
        routes: Iterable[Route] = (),
        redaction: Redaction | None = None,
    ) -> None:
        self.recording = recording
        self.name = name
        self.total = Counts()
        self.signatures: dict[str, Found] = {}
        self.unanswered: dict[str, str] = {}
        self._urls = urls
        self._began = time()
        self._redaction = redaction or Redaction()
        self._routes = {(route.name, route.path): Counts() for route in routes}
        self._reasons: dict[str, Counter[str]] = {}
        self._responses: dict[str, tuple[Responses, Responses]] = {}

    def add(self, replayed: ReplayedPair) -> None:
        """Add a replayed pair; if anything raises, none of it is added."""
        request, comparison = replayed.request, replayed.comparison
        operation = operation_of(request)
        differences = {one.signature: one for one in comparison.differences[::-1]}
        new = {
            signature: Found(difference, self._example(replayed, operation))
            for signature, difference in differences.items()
            if signature not in self.signatures
        }
        method, _, pattern = operation.partition(" ")
        for counts in (self.total, self._routes.setdefault((request.route or method, pattern), Counts())):
            counts.outcomes[comparison.outcome] += 1
            counts.evidence += comparison.evidence
        reason = comparison.ignored[0][1] if comparison.outcome is Outcome.IGNORED else comparison.reason
        if reason is not None:
            self._reasons.setdefault(comparison.outcome, Counter())[reason] += 1
            if replayed.detail is not None:
                self.unanswered.setdefault(reason, replayed.detail)
        self._add_responses(operation, replayed)
        self.signatures.update(new)
        for signature in differences:
            self.signatures[signature].operations[operation] += 1

    @property
    def equivalent(self) -> bool:
        """Whether something was compared, nothing counts against the candidate, and legacy gave every response."""
        return self.total.evidence > 0 and not self.total.wrong and not self._missing

    @property
    def _missing(self) -> int:
        reasons = self._of(Outcome.NOT_COMPARED)
        return reasons[LEGACY_NOT_ANSWERED] + reasons[FAILED]

    def _of(self, outcome: Outcome) -> Counter[str]:
        return self._reasons.get(outcome, Counter())

    def report(self) -> ShadowReport:
        """All of it, as shadowing would report it."""
        total = self.total
        proof = total.proof()
        return ShadowReport(
            migration=self.name,
            since=self._began,
            until=time(),
            target=TARGET,
            confidence=CONFIDENCE,
            sampled=total.sampled,
            compared=total.compared,
            matched=total.outcomes[Outcome.MATCH],
            mismatched=total.outcomes[Outcome.MISMATCH],
            proof=proof,
            unsteady=total.outcomes[Outcome.UNSTEADY],
            failed=dict(self._of(Outcome.FAILED).most_common()),
            ignored=dict(self._of(Outcome.IGNORED).most_common()),
            not_compared=dict(self._of(Outcome.NOT_COMPARED).most_common()),
            equal_errors=total.compared - total.evidence,
            operations=tuple(self._operations()),
            signatures=tuple(self._signature(name, signature) for name, signature in self._by_risk()),
            latencies=tuple(
                OperationLatency(name, legacy.latency(), extracted.latency())
                for name, (legacy, extracted) in sorted(self._responses.items())
            ),
            live=False,
            blocking=() if proof.proven else (proof_text(proof, TARGET),),
        )

    def _operations(self) -> Iterable[OperationProof]:
        for (name, pattern), counts in self._routes.items():
            yield OperationProof(pattern, name, counts.sampled, counts.compared, 0, 0, counts.proof())

    def as_json(self) -> dict[str, Any]:
        """The report, and what of the recording was not asked."""
        recording = self.recording
        return {
            "equivalent": self.equivalent,
            "requests": len(recording.requests),
            "skipped": dict(recording.skipped.most_common()),
            "unfilled": recording.unfilled,
            "left_out": recording.left_out,
            "unreadable": recording.unreadable,
            "redacted": sum(bool(request.redacted) for request in recording.requests),
            "unanswered": self.unanswered,
            **self.report().as_json(),
        }

    def _add_responses(self, operation: str, replayed: ReplayedPair) -> None:
        sides = self._responses.setdefault(operation, (Responses(), Responses()))
        missing = LEGACY_NOT_ANSWERED, NO_RESPONSE
        for reason, responses, timed in zip(missing, sides, (replayed.legacy, replayed.extracted), strict=True):
            if timed is not None:
                responses.seconds.append(timed.seconds)
                responses.errors += timed.response.status >= 500
            elif replayed.comparison.reason == reason:
                responses.missing += 1

    def _by_risk(self) -> list[tuple[str, Found]]:
        return sorted(
            self.signatures.items(),
            key=lambda item: (_RISKS.index(item[1].difference.risk), -item[1].operations.total(), item[0]),
        )

    def _signature(self, name: str, signature: Found) -> SignatureReport:
        return SignatureReport(
            signature=name,
            path=signature.difference.place,
            kind=str(signature.difference.kind),
            risk=str(signature.difference.risk),
            count=signature.operations.total(),
            operations=tuple(sorted(signature.operations)),
            examples=(),
            example=signature.example,
        )

    def _example(self, replayed: ReplayedPair, operation: str) -> dict[str, Any]:
        """The pair as it would be stored, redacted, and where its request stands."""
        request = replayed.request
        legacy, extracted = (
            _stored(url, timed) for url, timed in zip(self._urls, (replayed.legacy, replayed.extracted), strict=True)
        )
        kept = stored.Pair(
            self.name, request.route or "", operation, time(), "legacy", 0, _message(request), "", legacy, extracted
        )
        return {**documented(kept, replayed.comparison, True, self._redaction), "source": request.source}


def _stored(url: str, timed: TimedResponse | None) -> stored.SideResponse:
    assert timed is not None, "a pair that differs has both responses"
    response = timed.response
    head = b"".join(b"%b: %b\r\n" % header for header in response.headers)
    return stored.SideResponse(url, response.status, head, response.body, timed.seconds)


def _message(request: RecordedRequest) -> bytes:
    lines = [f"{request.method} {request.target} HTTP/1.1", *(f"{name}: {value}" for name, value in request.headers)]
    return "\r\n".join([*lines, "", ""]).encode() + request.body
