"""The evidence that shadowing has stored: a migration's report and its epochs. Percentiles are right to 5 %."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import func as sql
from sqlalchemy import select
from sqlalchemy.engine import Connection

from strangler.model.migration import Migration
from strangler.model.route import Route
from strangler.model.shadow import Shadow
from strangler.shadow.evidence.counts import Counted, class_proofs, proof_of, select_counts
from strangler.shadow.evidence.epochs import CHANGING
from strangler.shadow.evidence.present_pairs import TOGETHER, most_evidence
from strangler.shadow.evidence.tables import (
    PERIOD,
    epochs,
    examples,
    latency_of_bucket,
    learned_noise,
    pairs,
    responses,
    self_tests,
    signatures,
    variety,
)
from strangler.shadow.evidence.unwritten import LATEST, Tested
from strangler.shadow.evidence.variety import Variety
from strangler.shadow.evidence.verdict import CONFIDENCE
from strangler.shadow.noise.noise import Learned, Noise
from strangler.shadow.report.report import (
    TARGET,
    EpochSummary,
    Latency,
    OperationLatency,
    OperationProof,
    Proof,
    ShadowReport,
    SignatureReport,
)
from strangler.shadow.report.words import proof_text, wrong_pairs
from strangler.store.database import Database, StoreError

SELF_TEST_LASTS = 7800.0
"""Seconds for which a self-test speaks for the evidence that comes after it; there is one every hour."""


class NoSuchEpoch(Exception):
    """There is no evidence of that epoch; the message says which there are."""


@dataclass(frozen=True, slots=True)
class ReportQuery:
    """What a report is about: evidence up to `now` and not before `since`, in seconds since 1970.

    `target` is the share of wrong responses to prove. Without an `epoch`, the
    present one is reported.
    """

    now: float
    since: float = 0.0
    target: float = TARGET
    epoch: str | None = None


def report(database: Database, migration: Migration, routes: Iterable[Route], query: ReportQuery) -> ShadowReport:
    """Return the report about `migration`, whose routes are `routes`. Raises StoreError and NoSuchEpoch."""

    def read(connection: Connection) -> ShadowReport:
        known = _epochs(connection, migration.name)
        chosen = _chosen(known, query.epoch)
        return _EpochReader(connection, migration, chosen, query).report(list(routes))

    return database.read(read)


def epochs_of(database: Database, migration: str) -> list[EpochSummary]:
    """The epochs of a migration, the newest first. Raises StoreError."""
    return database.read(lambda connection: _epochs(connection, migration))


def _epochs(connection: Connection, migration: str) -> list[EpochSummary]:
    query = select(epochs).where(epochs.c.migration == migration).order_by(epochs.c.began.desc())
    rows = connection.execute(query).all()
    latest = max((row.last for row in rows), default=0.0)
    current = next((row.epoch for row in rows if row.last >= latest - TOGETHER), "")
    return [
        EpochSummary(row.epoch, row.began, row.last, row.reason, row.legacy, row.extracted, row.epoch == current)
        for row in rows
    ]


def _chosen(known: list[EpochSummary], wanted: str | None) -> EpochSummary | None:
    if wanted is None:
        return next((epoch for epoch in known if epoch.current), None)
    matching = [epoch for epoch in known if epoch.id.startswith(wanted)]
    if len(matching) != 1:
        there = ", ".join(epoch.id for epoch in known) or "none"
        raise NoSuchEpoch(f"there is no epoch '{wanted}' (there are {there})")
    return matching[0]


class _EpochReader:
    """Reads one migration's evidence of one epoch by one connection."""

    def __init__(
        self, connection: Connection, migration: Migration, epoch: EpochSummary | None, query: ReportQuery
    ) -> None:
        self._connection = connection
        self._migration = migration
        self._shadow = migration.shadow or Shadow()
        self._epoch = epoch
        self._id = epoch.id if epoch is not None else ""
        self._period = int(query.since // PERIOD) * PERIOD if query.since else 0
        self._now = query.now
        self._target = query.target
        self._variety = self._read_variety()

    def report(self, routes: list[Route]) -> ShadowReport:
        rows = select_counts(self._connection, self._migration.name, self._id, self._period)
        began = self._began(rows)
        whole = Variety()
        for one in self._variety.values():
            whole.merge(one)
        operations = tuple(self._operations(rows, began))
        counted = Counted(rows)
        proof = self._proof(rows, began, whole)
        return ShadowReport(
            migration=self._migration.name,
            since=began,
            until=self._now,
            target=self._target,
            confidence=CONFIDENCE,
            sampled=counted.sampled,
            compared=counted.compared,
            matched=counted.matched,
            mismatched=counted.mismatched,
            unsteady=counted.unsteady,
            lagging=counted.lagging,
            failed=counted.failed,
            ignored=counted.ignored,
            not_compared=counted.not_compared,
            repeated=counted.repeated,
            equal_errors=counted.equal_errors,
            callers=whole.callers.count(),
            requests=sum(one.requests.count() for one in self._variety.values()),
            proof=proof,
            failures=proof_of(counted.evidence, counted.failing, self._target, self._span(began)),
            classes=class_proofs(rows, self._target, self._span(began)),
            operations=operations,
            unrequested=tuple(
                route.name for route in routes if all(operation.route != route.name for operation in operations)
            ),
            signatures=tuple(self._signatures()),
            latencies=tuple(self._latencies()),
            epoch=self._epoch,
            noise=tuple(self._noise()),
            blocking=tuple(self._blocking(counted, proof, operations)),
        )

    def _noise(self) -> list[Learned]:
        query = select(learned_noise.c.document).where(learned_noise.c.migration == self._migration.name)
        try:
            return Noise.read(self._connection.execute(query).scalar()).learned()
        except ValueError as error:
            raise StoreError(str(error)) from None

    def _blocking(self, counted: Counted, proof: Proof, operations: tuple[OperationProof, ...]) -> Iterable[str]:
        """Why nothing is proven."""
        if not counted.sampled:
            yield "no request has come"
            return
        yield from self._untested()
        share = counted.compared / counted.sampled * 100
        if share < self._shadow.least_compared:
            yield (
                f"only {share:.3g} % of the sampled requests were compared, and it takes"
                f" {self._shadow.least_compared:g} %"
            )
        if not proof.proven:
            wrong = f"{wrong_pairs(proof)}; " if proof.wrong else ""
            yield wrong + proof_text(proof, self._target)
        for operation in operations if len(operations) > 1 else ():
            if not operation.proof.proven:
                yield f"{operation.operation}: {proof_text(operation.proof, self._target)}"

    def _untested(self) -> Iterable[str]:
        """Whether the comparison can be believed."""
        assert self._epoch is not None
        if CHANGING in (self._epoch.legacy, self._epoch.extracted):
            header = self._shadow.version_header
            yield f"cannot measure: the version header {header} has another value with each response"
        query = select(self_tests.c.at, self_tests.c.failure).where(
            self_tests.c.migration == self._migration.name, self_tests.c.epoch == self._id
        )
        row = self._connection.execute(query).first()
        tested = None if row is None else Tested(row.at, row.failure)
        if tested is None:
            yield "cannot measure: the comparison has not been tested in this epoch yet"
        elif tested.failure:
            yield f"cannot measure: {tested.failure}"
        elif self._epoch.last - tested.at > SELF_TEST_LASTS:
            hours = (self._epoch.last - tested.at) / 3600
            yield f"cannot measure: the comparison was last tested {hours:.1f} h before the latest evidence"

    def _operations(self, rows: list[Any], began: float) -> Iterable[OperationProof]:
        for operation in sorted({row.operation for row in rows}):
            own = [row for row in rows if row.operation == operation]
            counted = Counted(own)
            known = self._variety.get(operation, Variety())
            if not counted.sampled:
                continue
            yield OperationProof(
                operation,
                own[0].route,
                counted.sampled,
                counted.compared,
                known.callers.count(),
                known.requests.count(),
                self._proof(own, began, known),
            )

    def _proof(self, rows: list[Any], began: float, known: Variety) -> Proof:
        counted = Counted(rows)
        return proof_of(counted.evidence, counted.wrong, self._target, self._span(began), self._most(known))

    def _most(self, known: Variety) -> int:
        began, last = (self._epoch.began, self._epoch.last) if self._epoch is not None else (0.0, 0.0)
        hours = math.floor(last / 3600) - math.floor(began / 3600) + 1
        return most_evidence(known, hours)

    def _span(self, began: float) -> float:
        return self._now - began

    def _began(self, rows: list[Any]) -> float:
        """When the evidence begins that is reported: to the moment for an epoch, else the beginning of its period."""
        first = min((row.began for row in rows), default=self._now)
        return max(float(first), self._epoch.began) if self._epoch is not None else float(first)

    def _read_variety(self) -> dict[str, Variety]:
        query = select(variety.c.operation, variety.c.sketches).where(
            variety.c.migration == self._migration.name, variety.c.epoch == self._id
        )
        return {row.operation: Variety.read(bytes(row.sketches)) for row in self._connection.execute(query)}

    def _signatures(self) -> Iterable[SignatureReport]:
        table = signatures.c
        query = select(table.signature, table.path, table.kind, table.risk, table.operation, table.count).where(
            table.migration == self._migration.name, table.epoch == self._id, table.period >= self._period
        )
        by_signature: dict[str, list[Any]] = {}
        for row in self._connection.execute(query):
            by_signature.setdefault(row.signature, []).append(row)
        risks = {"high": 0, "medium": 1, "low": 2}
        counted = [
            (risks.get(rows[0].risk, 3), -sum(int(row[5]) for row in rows), name, rows)
            for name, rows in by_signature.items()
        ]
        for _, negative, name, rows in sorted(counted, key=lambda item: item[:3]):
            numbers = self._examples(name)
            yield SignatureReport(
                signature=name,
                path=rows[0].path,
                kind=rows[0].kind,
                risk=rows[0].risk,
                count=-negative,
                operations=tuple(sorted({row.operation for row in rows})),
                examples=numbers,
                example=self._document(numbers[0]) if numbers else None,
            )

    def _examples(self, signature: str) -> tuple[int, ...]:
        """The numbers of the example pairs, the latest first."""
        table = examples.c
        query = (
            select(table.pair, table.slot)
            .where(table.migration == self._migration.name, table.epoch == self._id, table.signature == signature)
            .order_by(table.slot)
        )
        rows = self._connection.execute(query).all()
        latest = [row.pair for row in rows if row.slot == LATEST]
        return tuple(dict.fromkeys([*latest, *(row.pair for row in rows)]))

    def _document(self, number: int) -> dict[str, Any] | None:
        document = self._connection.execute(select(pairs.c.document).where(pairs.c.id == number)).scalar()
        return None if document is None else orjson.loads(document)

    def _latencies(self) -> Iterable[OperationLatency]:
        table = responses.c
        query = (
            select(table.operation, table.side, table.status, table.bucket, sql.sum(table.count))
            .where(table.migration == self._migration.name, table.epoch == self._id, table.period >= self._period)
            .group_by(table.operation, table.side, table.status, table.bucket)
        )
        by_operation: dict[str, dict[str, list[tuple[int, int, int]]]] = {}
        for operation, side, status, bucket, count in self._connection.execute(query):
            sides = by_operation.setdefault(operation, {"legacy": [], "extracted": []})
            sides[side].append((status, bucket, int(count)))
        for operation, sides in sorted(by_operation.items()):
            yield OperationLatency(operation, _latency(sides["legacy"]), _latency(sides["extracted"]))


def _latency(counts: list[tuple[int, int, int]]) -> Latency:
    total = sum(count for _, _, count in counts)
    errors = sum(count for status, _, count in counts if status >= 500 or status == 0)
    answered = sorted((bucket, count) for status, bucket, count in counts if status)
    return Latency(total, errors, *(_percentile(answered, share) for share in (0.5, 0.95, 0.99)))


def _percentile(buckets: list[tuple[int, int]], share: float) -> float | None:
    wanted = share * sum(count for _, count in buckets)
    seen = 0
    for bucket, count in buckets:
        seen += count
        if seen >= wanted:
            return latency_of_bucket(bucket)
    return None
