"""What the judge has found, added up: counts by epoch, what evidence rests on, and examples, until they are written.

Nothing here waits for the store: it takes what `flush` gives, when it can.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import time

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
    Evidence,
    Example,
    OutcomeKey,
    Place,
    Remembered,
    Reservoirs,
    ResponseKey,
    SignatureKey,
    Tested,
)
from strangler.shadow.evidence.variety import HourlyUnits, Variety
from strangler.shadow.judging.tally import ShadowTally
from strangler.shadow.known_pairs import ticket_and_kind
from strangler.shadow.pair import NotCompared, Pair, failing

_REFUSALS = frozenset((401, 403, 405, 407))
_WORST_FIRST = (Risk.HIGH, Risk.MEDIUM, Risk.LOW)


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


class Ledger:
    """Adds up findings. `on_known_pair` gets what a known pair came to: its ticket, kind and outcome."""

    def __init__(self, on_known_pair: Callable[[str, str, str], None]) -> None:
        self.tallies: dict[str, ShadowTally] = {}
        self.gathered = Evidence()
        self._on_known_pair = on_known_pair
        self._reservoirs = Reservoirs()
        self._evidence: dict[tuple[str, str, str], int] = {}
        self._variety: dict[tuple[str, str, str], Variety] = {}
        self._units: dict[tuple[str, str], HourlyUnits] = {}

    def remember(self, before: Remembered) -> None:
        """Go on from what was found before, which is added to what was found since."""
        self._reservoirs.merge(before.seen)
        self.gathered.keep_reservoirs(before.seen)
        for route, count in before.evidence.items():
            self._evidence[route] = self._evidence.get(route, 0) + count
        for operation, variety in before.variety.items():
            self._variety.setdefault(operation, Variety()).merge(variety)

    def forget(self) -> None:
        """Begin anew, for another store."""
        self._reservoirs = Reservoirs()
        self._evidence = {}
        self._variety = {}

    def keep(self, migration: str, epochs: set[str]) -> None:
        """Forget what is only needed while evidence comes in, but for these epochs of a migration."""
        self._units = {key: units for key, units in self._units.items() if key[0] != migration or key[1] in epochs}
        self._variety = {key: one for key, one in self._variety.items() if key[0] != migration or key[1] in epochs}
        self._reservoirs.keep(migration, epochs)

    def evidence_of(self, migration: str, epoch: str, route: str) -> int:
        """How many pairs of a route are evidence."""
        return self._evidence.get((migration, epoch, route), 0)

    def flush(self) -> Evidence:
        """What was found since the last call."""
        evidence, self.gathered = self.gathered, Evidence()
        return evidence

    def tested(self, migration: str, epoch: str, at: float, failure: str) -> None:
        """A self-test is over; `failure` says what was wrong, and is empty where nothing was."""
        self.gathered.self_tests[(migration, epoch)] = Tested(at, failure)

    def count(self, what: NotCompared, epoch: str, count: int) -> None:
        """Count requests of which a worker could not make pairs."""
        fails = failing(what.reason, what.served)
        outcome = Outcome.FAILED if fails else Outcome.NOT_COMPARED
        risk = str(Risk.HIGH) if fails else ""
        period = period_of(time())
        place = (what.migration, epoch, what.route, what.operation)
        self._add(OutcomeKey(*place, period, str(outcome), what.reason, risk, fails), count)
        if fails:
            self.count_response(what.migration, epoch, what.operation, "extracted", 0, 0.0, count)

    def count_responses(self, pair: Pair, epoch: str) -> None:
        """Count both sides' first responses, with how long they took."""
        for side, answered in (("legacy", pair.legacy), ("extracted", pair.extracted)):
            status = 0 if answered.missing else answered.status
            self.count_response(pair.migration, epoch, pair.operation, side, status, answered.seconds, 1)

    def count_response(
        self, migration: str, epoch: str, operation: str, side: str, status: int, seconds: float, count: int
    ) -> None:
        """Count responses of a side; the status is 0 where there was none."""
        key = ResponseKey(migration, epoch, operation, side, period_of(time()), status, bucket_of_latency(seconds))
        self.gathered.responses[key] = self.gathered.responses.get(key, 0) + count

    def settle(self, found: Finding, epoch: str, values: bool, redaction: Redaction) -> None:
        """Count what a pair has come to, and keep it, with its `values` or without, where it was drawn."""
        outcome, reason, pair = found.outcome, found.reason, found.pair
        if pair.self_test:
            self._on_known_pair(*ticket_and_kind(pair.self_test), str(outcome))
            reason = pair.self_test
        risk = _risk(found)
        evidence = self._is_evidence(found, epoch, risk)
        if outcome is Outcome.MATCH and not reason and not _says_something(found):
            reason = EQUAL_ERROR
        place = (pair.migration, epoch, pair.route, pair.operation)
        self._add(OutcomeKey(*place, period_of(time()), str(outcome), reason, risk, evidence), 1)
        if outcome is Outcome.NOT_COMPARED:
            return
        signatures = self._count_signatures(found, epoch) or [f"{outcome} {pair.operation}"]
        document = partial(documented, pair, found.comparison, values, redaction)
        example = Example(*place, pair.at, str(outcome), document)
        for signature in signatures:
            for slot in self._reservoirs.slots(pair.migration, epoch, signature):
                self.gathered.chosen[Place(pair.migration, epoch, signature, slot)] = example

    def _is_evidence(self, found: Finding, epoch: str, risk: str) -> bool:
        """Whether the proof rests on a pair.

        It says something about equivalence, and is the first such one of its
        caller and request in the hour.
        """
        pair, against = found.pair, found.outcome in AGAINST
        if pair.self_test or found.outcome is Outcome.NOT_COMPARED:
            return False
        if not (against or _says_something(found) or risk == AUTHENTICATION):
            return False
        units = self._units.setdefault((pair.migration, epoch), HourlyUnits())
        if not units.is_first(found.unit, pair.at, against):
            return False
        operation = (pair.migration, epoch, pair.operation)
        known = self._variety.setdefault(operation, Variety())
        if known.note(pair, found.unit):
            self.gathered.variety[operation] = known.as_bytes()
        return True

    def _count_signatures(self, found: Finding, epoch: str) -> list[str]:
        """Count each signature that a pair has, once, and give them as they are known."""
        pair = found.pair
        period = period_of(pair.at)
        signatures: list[str] = []
        for signature, (path, kind, risk) in _signatures(found).items():
            known = self._reservoirs.known(pair.migration, epoch, signature)
            counts = self.gathered.signatures
            key = SignatureKey(pair.migration, epoch, known, period, pair.operation, path, kind, risk)
            counts[key] = counts.get(key, 0) + 1
            signatures.append(known)
        return signatures

    def _add(self, key: OutcomeKey, count: int) -> None:
        if key.epoch != SELF_TEST:
            tally = self.tallies.setdefault(key.migration, ShadowTally())
            tally.add(Outcome(key.outcome), key.reason, count)
        if key.evidence:
            route = (key.migration, key.epoch, key.route)
            self._evidence[route] = self._evidence.get(route, 0) + count
        self.gathered.outcomes[key] = self.gathered.outcomes.get(key, 0) + count


def _says_something(found: Finding) -> bool:
    """Whether two responses that agree say that the two sides do: the same error does not, nor does *not modified*."""
    return found.comparison.evidence and found.pair.legacy.status != 304


def _risk(found: Finding) -> str:
    """The class of a pair: the worst of its differences, or that it is about credentials and accepted methods."""
    if found.outcome is Outcome.FAILED:
        return str(Risk.HIGH)
    if found.outcome is Outcome.NOT_COMPARED:
        return ""
    pair = found.pair
    if pair.legacy.status in _REFUSALS or pair.extracted.status in _REFUSALS:
        return AUTHENTICATION
    if found.outcome in AGAINST:
        risks = {difference.risk for difference in found.comparison.differences}
        return str(next((risk for risk in _WORST_FIRST if risk in risks), Risk.HIGH))
    return ""


def _signatures(found: Finding) -> dict[str, tuple[str, str, str]]:
    """The differences of a pair by signature: where each is, its kind and its risk.

    A candidate that gave no response differs in that, with the reason. What was
    seen only once, or late, is told apart from what differs each time.
    """
    outcome, differences = found.outcome, found.comparison.differences
    if outcome is Outcome.FAILED or (outcome is Outcome.MISMATCH and not differences):
        return {f"{outcome} {found.reason}": ("response", found.reason, str(Risk.HIGH))}
    prefix = f"{outcome} " if outcome in (Outcome.UNSTEADY, Outcome.LAG) else ""
    suffix = f", {outcome}" if prefix else ""
    return {f"{prefix}{one.signature}": (one.place, f"{one.kind}{suffix}", str(one.risk)) for one in differences}
