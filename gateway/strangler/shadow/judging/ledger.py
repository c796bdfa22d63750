"""What the judge has found, added up: counts by epoch, what evidence rests on, and examples, until they are written.

Nothing here waits for the store: it takes what `flush` gives, when it can.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import time
from typing import NamedTuple

from strangler.comparison.compare import Comparison, Outcome
from strangler.comparison.difference import Risk
from strangler.redaction.redaction import Redaction
from strangler.shadow.evidence.document import documented
from strangler.shadow.evidence.store import SELF_TEST
from strangler.shadow.evidence.tables import bucket_of_latency, period_of
from strangler.shadow.evidence.unwritten import (
    AGAINST,
    AUTHENTICATION,
    EQUAL_ERROR,
    LATEST,
    EpochOf,
    Example,
    ExampleSlot,
    OperationOf,
    OutcomeKey,
    RememberedEvidence,
    Reservoirs,
    ResponseKey,
    RouteOf,
    SignatureKey,
    SignatureOf,
    Tested,
    UnwrittenEvidence,
)
from strangler.shadow.evidence.variety import HourlyUnits, Variety
from strangler.shadow.judging.tally import ShadowTally
from strangler.shadow.known_pairs import ticket_and_kind
from strangler.shadow.pair import NotCompared, Pair, failing

_REFUSALS = frozenset((401, 403, 405, 407))
_WORST_FIRST = (Risk.HIGH, Risk.MEDIUM, Risk.LOW)
_MATCH = Outcome.MATCH.value


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of a pair: its outcome, the reason or rule, and the responses and differences that show it.

    `unit` is a digest of who asked for what.
    """

    outcome: Outcome
    reason: str
    pair: Pair
    comparison: Comparison
    unit: int


@dataclass(frozen=True, slots=True)
class Keeping:
    """How examples of a migration are kept: with their `values` or with digests, and without what is redacted."""

    values: bool
    redaction: Redaction


class Match(NamedTuple):
    """A pair whose responses match, as it may become an example."""

    pair: Pair
    comparison: Comparison
    keeping: Keeping


class Ledger:
    """Adds up findings. `on_known_pair` gets what a known pair came to: its ticket, kind and outcome.

    Responses and matches come with nearly every pair, and the judge shares two
    processors with the workers. So they are counted by plain tuples, which have
    the fields of `ResponseKey` and `OutcomeKey`; sketches are written down, and
    the latest match of an operation becomes an example, once a `flush`.
    """

    def __init__(self, on_known_pair: Callable[[str, str, str], None]) -> None:
        self.tallies: dict[str, ShadowTally] = {}
        self.gathered = UnwrittenEvidence()
        self._on_known_pair = on_known_pair
        self._reservoirs = Reservoirs()
        self._evidence: dict[RouteOf, int] = {}
        self._variety: dict[OperationOf, Variety] = {}
        self._units: dict[EpochOf, HourlyUnits] = {}
        self._responses: dict[tuple[str, str, str, str, int, int, int], int] = {}
        self._matches: dict[tuple[str, str, str, str, int, str, str, str, bool], int] = {}
        self._latest_matches: dict[SignatureOf, Match] = {}
        self._varied: set[OperationOf] = set()

    def remember(self, before: RememberedEvidence) -> None:
        """Go on from what was found before, which is added to what was found since."""
        self._reservoirs.merge(before.seen)
        self.gathered.keep_reservoirs(before.seen)
        for route, count in before.evidence.items():
            self._evidence[route] = self._evidence.get(route, 0) + count
        for operation, variety in before.variety.items():
            self._variety.setdefault(operation, Variety()).merge(variety)

    def forget(self) -> None:
        """Begin anew, for another store."""
        self._write_down_variety()
        self._reservoirs = Reservoirs()
        self._evidence = {}
        self._variety = {}

    def keep(self, migration: str, epochs: set[str]) -> None:
        """Forget what is only needed while evidence comes in, but for these epochs of a migration."""
        self._write_down_variety()
        self._units = {
            key: units for key, units in self._units.items() if key.migration != migration or key.epoch in epochs
        }
        self._variety = {
            key: one for key, one in self._variety.items() if key.migration != migration or key.epoch in epochs
        }
        self._reservoirs.keep(migration, epochs)

    def evidence_of(self, migration: str, epoch: str, route: str) -> int:
        """How many pairs of a route are evidence."""
        return self._evidence.get(RouteOf(migration, epoch, route), 0)

    def flush(self) -> UnwrittenEvidence:
        """What was found since the last call."""
        evidence, self.gathered = self.gathered, UnwrittenEvidence()
        self._write_down_variety(evidence)
        for fields, count in self._responses.items():
            response = ResponseKey._make(fields)
            evidence.responses[response] = evidence.responses.get(response, 0) + count
        evidence.outcomes.update((OutcomeKey._make(fields), count) for fields, count in self._matches.items())
        for key, match in self._latest_matches.items():
            evidence.chosen[ExampleSlot(*key, LATEST)] = _example(match, key.epoch)
        self._responses, self._matches, self._latest_matches = {}, {}, {}
        return evidence

    def tested(self, migration: str, epoch: str, at: float, failure: str) -> None:
        """Record that a self-test is over; `failure` is empty if it passed."""
        self.gathered.self_tests[EpochOf(migration, epoch)] = Tested(at, failure)

    def count(self, what: NotCompared, epoch: str, count: int) -> None:
        """Count requests of which a worker could not make pairs."""
        fails = failing(what.reason, what.served)
        outcome = Outcome.FAILED if fails else Outcome.NOT_COMPARED
        risk = str(Risk.HIGH) if fails else ""
        period = period_of(time())
        place = (what.migration, epoch, what.route, what.operation)
        self._add(OutcomeKey(*place, period, str(outcome), what.reason, risk, fails), count)
        if fails:
            none = ResponseKey(what.migration, epoch, what.operation, "extracted", period, 0, bucket_of_latency(0.0))
            self.gathered.responses[none] = self.gathered.responses.get(none, 0) + count

    def count_responses(self, pair: Pair, epoch: str) -> None:
        """Count both sides' first responses, with how long they took."""
        migration, operation, counts = pair.migration, pair.operation, self._responses
        period = period_of(time())
        for side, response in (("legacy", pair.legacy), ("extracted", pair.extracted)):
            status = 0 if response.missing else response.status
            key = (migration, epoch, operation, side, period, status, bucket_of_latency(response.seconds))
            counts[key] = counts.get(key, 0) + 1

    def settle_match(self, match: Match, epoch: str, unit: int) -> None:
        """Count a pair of traffic whose responses match, and keep it where it was drawn."""
        pair = match.pair
        migration, route, operation = pair.migration, pair.route, pair.operation
        risk = AUTHENTICATION if _is_about_access(pair) else ""
        says_something = _says_something(pair, match.comparison)
        reason = "" if says_something else EQUAL_ERROR
        evidence = (says_something or risk != "") and self._is_first(pair, epoch, unit, against=False)
        if evidence:
            self._add_evidence(migration, epoch, route, 1)
        key = (migration, epoch, route, operation, period_of(time()), _MATCH, reason, risk, evidence)
        self._matches[key] = self._matches.get(key, 0) + 1
        self._tally(migration).add_match(reason)
        seen = SignatureOf(migration, epoch, f"match {operation}")
        slot = self._reservoirs.draw(seen)
        if slot is None:
            self._latest_matches[seen] = match
        else:
            # One example in two places is stored once.
            self._latest_matches.pop(seen, None)
            example = _example(match, epoch)
            self.gathered.chosen[ExampleSlot(*seen, slot)] = self.gathered.chosen[ExampleSlot(*seen, LATEST)] = example

    def settle(self, finding: Finding, epoch: str, keeping: Keeping) -> None:
        """Count what a pair has come to, and keep it where it was drawn."""
        outcome, reason, pair = finding.outcome, finding.reason, finding.pair
        if pair.self_test:
            self._on_known_pair(*ticket_and_kind(pair.self_test), str(outcome))
            reason = pair.self_test
        elif outcome is Outcome.MATCH:
            self.settle_match(Match(pair, finding.comparison, keeping), epoch, finding.unit)
            return
        risk = _risk(finding)
        evidence = self._is_evidence(finding, epoch, risk)
        place = (pair.migration, epoch, pair.route, pair.operation)
        self._add(OutcomeKey(*place, period_of(time()), str(outcome), reason, risk, evidence), 1)
        if outcome is Outcome.NOT_COMPARED:
            return
        signatures = self._count_signatures(finding, epoch) or [f"{outcome} {pair.operation}"]
        document = partial(documented, pair, finding.comparison, keeping.values, keeping.redaction)
        example = Example(*place, pair.at, str(outcome), document)
        for signature in signatures:
            for slot in self._reservoirs.slots(pair.migration, epoch, signature):
                self.gathered.chosen[ExampleSlot(pair.migration, epoch, signature, slot)] = example

    def _is_evidence(self, finding: Finding, epoch: str, risk: str) -> bool:
        """Whether the proof rests on a pair.

        It says something about equivalence, and is the first such one of its
        caller and request in the hour.
        """
        pair, against = finding.pair, finding.outcome in AGAINST
        if pair.self_test or finding.outcome is Outcome.NOT_COMPARED:
            return False
        if not (against or _says_something(pair, finding.comparison) or risk == AUTHENTICATION):
            return False
        return self._is_first(pair, epoch, finding.unit, against)

    def _is_first(self, pair: Pair, epoch: str, unit: int, against: bool) -> bool:
        """Whether a pair is the first such one of its caller and request in the hour."""
        key = EpochOf(pair.migration, epoch)
        units = self._units.get(key)
        if units is None:
            units = self._units[key] = HourlyUnits()
        if not units.is_first(unit, pair.at, against):
            return False
        operation = OperationOf(pair.migration, epoch, pair.operation)
        variety = self._variety.get(operation)
        if variety is None:
            variety = self._variety[operation] = Variety()
        if variety.note(pair, unit):
            self._varied.add(operation)
        return True

    def _write_down_variety(self, evidence: UnwrittenEvidence | None = None) -> None:
        """Put the sketches that have changed since the last time into what was gathered, or into `evidence`."""
        gathered = self.gathered if evidence is None else evidence
        for operation in self._varied:
            gathered.variety[operation] = self._variety[operation].as_bytes()
        self._varied.clear()

    def _tally(self, migration: str) -> ShadowTally:
        tally = self.tallies.get(migration)
        if tally is None:
            tally = self.tallies[migration] = ShadowTally()
        return tally

    def _add_evidence(self, migration: str, epoch: str, route: str, count: int) -> None:
        key = RouteOf(migration, epoch, route)
        self._evidence[key] = self._evidence.get(key, 0) + count

    def _count_signatures(self, finding: Finding, epoch: str) -> list[str]:
        """Count each signature that a pair has, once, and give them as they are known."""
        pair = finding.pair
        period = period_of(pair.at)
        signatures: list[str] = []
        for signature, (path, kind, risk) in _signatures(finding).items():
            known = self._reservoirs.known(pair.migration, epoch, signature)
            counts = self.gathered.signatures
            key = SignatureKey(pair.migration, epoch, known, period, pair.operation, path, kind, risk)
            counts[key] = counts.get(key, 0) + 1
            signatures.append(known)
        return signatures

    def _add(self, key: OutcomeKey, count: int) -> None:
        if key.epoch != SELF_TEST:
            self._tally(key.migration).add(Outcome(key.outcome), key.reason, count)
        if key.evidence:
            self._add_evidence(key.migration, key.epoch, key.route, count)
        self.gathered.outcomes[key] = self.gathered.outcomes.get(key, 0) + count


def _example(match: Match, epoch: str) -> Example:
    pair, comparison, keeping = match
    document = partial(documented, pair, comparison, keeping.values, keeping.redaction)
    return Example(pair.migration, epoch, pair.route, pair.operation, pair.at, _MATCH, document)


def _says_something(pair: Pair, comparison: Comparison) -> bool:
    """Whether two responses that agree say that the two sides do: the same error does not, nor does *not modified*."""
    return comparison.evidence and pair.legacy.status != 304


def _is_about_access(pair: Pair) -> bool:
    """Whether a side asked for credentials, refused them, or refused the method."""
    return pair.legacy.status in _REFUSALS or pair.extracted.status in _REFUSALS


def _risk(finding: Finding) -> str:
    """The class of a pair: the worst of its differences, or that it is about credentials and accepted methods."""
    if finding.outcome is Outcome.FAILED:
        return str(Risk.HIGH)
    if finding.outcome is Outcome.NOT_COMPARED:
        return ""
    if _is_about_access(finding.pair):
        return AUTHENTICATION
    if finding.outcome in AGAINST:
        risks = {difference.risk for difference in finding.comparison.differences}
        return str(next((risk for risk in _WORST_FIRST if risk in risks), Risk.HIGH))
    return ""


def _signatures(finding: Finding) -> dict[str, tuple[str, str, str]]:
    """The differences of a pair by signature: where each is, its kind and its risk.

    A candidate that gave no response differs in that, with the reason. What was
    seen only once, or late, is told apart from what differs each time.
    """
    outcome, differences = finding.outcome, finding.comparison.differences
    if outcome is Outcome.FAILED or (outcome is Outcome.MISMATCH and not differences):
        return {f"{outcome} {finding.reason}": ("response", finding.reason, str(Risk.HIGH))}
    prefix = f"{outcome} " if outcome in (Outcome.UNSTEADY, Outcome.LAG) else ""
    suffix = f", {outcome}" if prefix else ""
    return {f"{prefix}{one.signature}": (one.place, f"{one.kind}{suffix}", str(one.risk)) for one in differences}
