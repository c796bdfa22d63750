"""Counts of outcomes as a report adds them up: what was sampled, compared, and what is evidence."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import func as sql
from sqlalchemy import select
from sqlalchemy.engine import Connection

from strangler.comparison.compare import Outcome
from strangler.shadow.evidence.sequence import sequential_verdict
from strangler.shadow.evidence.tables import outcomes
from strangler.shadow.evidence.unwritten import AGAINST, AUTHENTICATION, EQUAL_ERROR
from strangler.shadow.pair import UNSAMPLED
from strangler.shadow.report.report import ClassProof, Proof

SHORTEST_SPAN = 60.0
"""Minimum seconds over which a rate is measured: a burst does not represent an hour."""

CLASSES = ("high", "medium", "low", AUTHENTICATION)
"""Classes of risk, the worst first; questions of access are one of their own."""


class OutcomeCount(NamedTuple):
    """How many requests of an operation had an outcome, and the period of the first."""

    route: str
    operation: str
    outcome: str
    reason: str
    risk: str
    evidence: bool
    requests: int
    began: int

    @property
    def is_sampled(self) -> bool:
        """Whether these requests were meant to be compared."""
        return self.outcome != Outcome.NOT_COMPARED or self.reason not in UNSAMPLED

    @property
    def is_about_access(self) -> bool:
        """Whether these are equal refusals, which say nothing but that access is the same."""
        return self.risk == AUTHENTICATION and self.outcome not in AGAINST


def select_counts(connection: Connection, migration: str, epoch: str, period: int) -> list[OutcomeCount]:
    """The counts of an epoch from `period` on."""
    table = outcomes.c
    key = (table.route, table.operation, table.outcome, table.reason, table.risk, table.evidence)
    query = (
        select(*key, sql.sum(table.count), sql.min(table.period))
        .where(table.migration == migration, table.epoch == epoch, table.period >= period)
        .group_by(*key)
    )
    # PostgreSQL's sums are decimals.
    return [OutcomeCount(*row[:5], bool(row[5]), int(row[6]), int(row[7])) for row in connection.execute(query)]


class Counted:
    """Sums over `rows`."""

    def __init__(self, rows: Iterable[OutcomeCount]) -> None:
        self._rows = list(rows)
        compared = [row for row in self._rows if row.outcome != Outcome.NOT_COMPARED]
        proving = [row for row in compared if row.evidence and not row.is_about_access]
        self.sampled = sum(row.requests for row in self._rows if row.is_sampled)
        self.compared = sum(row.requests for row in compared)
        self.matched = self._total(Outcome.MATCH)
        self.mismatched = self._total(Outcome.MISMATCH)
        self.unsteady = self._total(Outcome.UNSTEADY)
        self.lagging = self._by_reason(Outcome.LAG)
        self.failed = self._by_reason(Outcome.FAILED)
        self.ignored = self._by_reason(Outcome.IGNORED)
        self.not_compared = self._by_reason(Outcome.NOT_COMPARED)
        self.equal_errors = sum(row.requests for row in compared if row.reason == EQUAL_ERROR)
        self.repeated = sum(row.requests for row in compared if not row.evidence) - self.equal_errors
        self.evidence = sum(row.requests for row in proving)
        self.wrong = sum(row.requests for row in proving if row.outcome in AGAINST)
        self.failing = sum(row.requests for row in proving if row.outcome == Outcome.FAILED)

    def _total(self, outcome: Outcome) -> int:
        return sum(row.requests for row in self._rows if row.outcome == outcome)

    def _by_reason(self, outcome: Outcome) -> dict[str, int]:
        reasons: dict[str, int] = {}
        for row in self._rows:
            if row.outcome == outcome:
                reasons[row.reason] = reasons.get(row.reason, 0) + row.requests
        return dict(sorted(reasons.items(), key=lambda item: -item[1]))


def proof_of(evidence: int, wrong: int, target: float, span: float, most: int | None = None) -> Proof:
    """What `evidence` pairs, gathered in `span` seconds, prove; `most` bounds how many of the right ones count."""
    right = evidence - wrong if most is None else min(evidence - wrong, most)
    judgement = sequential_verdict(right + wrong, wrong, target)
    to_go = judgement.seconds_to_go((right + wrong) / max(span, SHORTEST_SPAN))
    return Proof(right + wrong, wrong, judgement.bound, judgement.missing, to_go, judgement.proven)


def class_proofs(rows: list[OutcomeCount], target: float, span: float) -> tuple[ClassProof, ...]:
    """What is proven about each class: pairs whose worst difference is of it, among all; of access among its own."""
    proving = [row for row in rows if row.evidence and row.outcome != Outcome.NOT_COMPARED]
    general = sum(row.requests for row in proving if not row.is_about_access)
    access = sum(row.requests for row in proving if row.risk == AUTHENTICATION)
    proofs = []
    for risk in CLASSES:
        wrong = sum(row.requests for row in proving if row.risk == risk and row.outcome in AGAINST)
        pairs = access if risk == AUTHENTICATION else general
        proofs.append(ClassProof(risk, proof_of(pairs, wrong, target, span)))
    return tuple(proofs)
