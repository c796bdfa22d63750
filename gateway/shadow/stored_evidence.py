"""The evidence that shadowing has stored: a migration's report, and pairs. Percentiles are right to 5 %."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import func as sql
from sqlalchemy import select
from sqlalchemy.engine import Connection

from gateway.config.snapshot import Route
from gateway.shadow.comparison import Outcome
from gateway.shadow.noise import Learned, Noise
from gateway.shadow.report import TARGET, EndpointLatency, Latency, Proof, Report, RouteProof, SignatureCount
from gateway.shadow.store import (
    LATEST,
    PERIOD,
    answers,
    examples,
    latency_of_bucket,
    noise,
    outcomes,
    pairs,
    signatures,
)
from gateway.shadow.verdict import CONFIDENCE, verdict
from gateway.store.database import Database, StoreError

SHORTEST_SPAN = 60.0
"""Seconds over which a rate is measured at the least: what came in a burst says nothing about an hour."""


def report(
    database: Database, migration: str, routes: Iterable[Route], now: float, since: float = 0.0, target: float = TARGET
) -> Report:
    """The report about `migration`, whose routes are `routes`. Raises StoreError."""
    return database.read(lambda connection: _Reading(connection, migration, since, now, target).report(list(routes)))


class _Reading:
    """Reads one migration's evidence by one connection."""

    def __init__(self, connection: Connection, migration: str, since: float, now: float, target: float) -> None:
        self._connection = connection
        self._migration = migration
        self._period = int(since // PERIOD) * PERIOD if since else 0
        self._since = since
        self._now = now
        self._target = target

    def report(self, routes: list[Route]) -> Report:
        rows = self._outcomes()
        began = self._began(rows)
        mismatched = _total(rows, Outcome.MISMATCH)
        matched = _total(rows, Outcome.MATCH)
        ignored = _by_reason(rows, Outcome.IGNORED)
        return Report(
            migration=self._migration,
            since=max(self._since, min((row.began for row in rows), default=self._now)),
            until=self._now,
            target=self._target,
            confidence=CONFIDENCE,
            compared=matched + mismatched + sum(ignored.values()),
            matched=matched,
            without_evidence=sum(row.count for row in rows if row.outcome != Outcome.NOT_COMPARED and not row.evidence),
            mismatched=mismatched,
            ignored=ignored,
            not_compared=_by_reason(rows, Outcome.NOT_COMPARED),
            proof=self._proof(rows, began),
            signatures=tuple(self._signatures()),
            endpoints=tuple(self._endpoints()),
            routes=tuple(
                RouteProof(route.name, route.path, self._proof([row for row in rows if row.route == route.name], began))
                for route in routes
            ),
            noise=tuple(self._noise()),
        )

    def _noise(self) -> list[Learned]:
        query = select(noise.c.document).where(noise.c.migration == self._migration)
        try:
            return Noise.read(self._connection.execute(query).scalar()).learned()
        except ValueError as error:
            raise StoreError(str(error)) from None

    def _began(self, rows: list[_Counted]) -> float:
        """When the first pair was compared: to the moment while it is stored, else the beginning of its period."""
        period = min((row.began for row in rows if row.outcome != Outcome.NOT_COMPARED), default=self._now)
        query = select(sql.min(pairs.c.at)).where(pairs.c.migration == self._migration, pairs.c.at >= period)
        first = self._connection.execute(query).scalar()
        return float(first) if first is not None and first < period + PERIOD else period

    def _outcomes(self) -> list[_Counted]:
        table = outcomes.c
        query = (
            select(
                table.route,
                table.outcome,
                table.reason,
                table.evidence,
                sql.sum(table.count).label("count"),
                sql.min(table.period).label("began"),
            )
            .where(table.migration == self._migration, table.period >= self._period)
            .group_by(table.route, table.outcome, table.reason, table.evidence)
        )
        return [_Counted(tuple(row)) for row in self._connection.execute(query)]

    def _proof(self, rows: list[_Counted], began: float) -> Proof:
        compared = sum(row.count for row in rows if row.evidence)
        mismatched = _total(rows, Outcome.MISMATCH)
        found = verdict(compared, mismatched, self._target)
        span = max(self._now - began, SHORTEST_SPAN)
        return Proof(
            compared, mismatched, found.bound, found.missing, found.seconds_to_go(compared / span), found.proven
        )

    def _signatures(self) -> Iterable[SignatureCount]:
        table = signatures.c
        query = select(table.signature, table.path, table.kind, table.risk, table.endpoint, table.count).where(
            table.migration == self._migration, table.period >= self._period
        )
        found: dict[str, list[Any]] = {}
        for row in self._connection.execute(query):
            found.setdefault(row.signature, []).append(row)
        risks = {"high": 0, "medium": 1, "low": 2}
        counted = [
            (risks.get(rows[0].risk, 3), -sum(int(row[5]) for row in rows), name, rows) for name, rows in found.items()
        ]
        for _, negative, name, rows in sorted(counted, key=lambda item: item[:3]):
            numbers = self._examples(name)
            yield SignatureCount(
                signature=name,
                path=rows[0].path,
                kind=rows[0].kind,
                risk=rows[0].risk,
                count=-negative,
                endpoints=tuple(sorted({row.endpoint for row in rows})),
                examples=numbers,
                example=self._document(numbers[0]) if numbers else None,
            )

    def _examples(self, signature: str) -> tuple[int, ...]:
        """The numbers of the example pairs, the latest first."""
        query = (
            select(examples.c.pair, examples.c.slot)
            .where(examples.c.migration == self._migration, examples.c.signature == signature)
            .order_by(examples.c.slot)
        )
        rows = self._connection.execute(query).all()
        latest = [row.pair for row in rows if row.slot == LATEST]
        return tuple(dict.fromkeys([*latest, *(row.pair for row in rows)]))

    def _document(self, number: int) -> dict[str, Any] | None:
        found = self._connection.execute(select(pairs.c.document).where(pairs.c.id == number)).scalar()
        return None if found is None else orjson.loads(found)

    def _endpoints(self) -> Iterable[EndpointLatency]:
        table = answers.c
        query = (
            select(table.endpoint, table.side, table.status, table.bucket, sql.sum(table.count))
            .where(table.migration == self._migration, table.period >= self._period)
            .group_by(table.endpoint, table.side, table.status, table.bucket)
        )
        found: dict[str, dict[str, list[tuple[int, int, int]]]] = {}
        for endpoint, side, status, bucket, count in self._connection.execute(query):
            sides = found.setdefault(endpoint, {"legacy": [], "extracted": []})
            sides[side].append((status, bucket, int(count)))
        for endpoint, sides in sorted(found.items()):
            yield EndpointLatency(endpoint, _latency(sides["legacy"]), _latency(sides["extracted"]))


class _Counted:
    """A row of outcomes with a whole number for a count: PostgreSQL's sums are decimals."""

    __slots__ = ("began", "count", "evidence", "outcome", "reason", "route")

    def __init__(self, row: Sequence[Any]) -> None:
        self.route: str = row[0]
        self.outcome: str = row[1]
        self.reason: str = row[2]
        self.evidence = bool(row[3])
        self.count = int(row[4])
        self.began = int(row[5])


def _total(rows: Iterable[_Counted], outcome: Outcome) -> int:
    return sum(row.count for row in rows if row.outcome == outcome)


def _by_reason(rows: Iterable[_Counted], outcome: Outcome) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in rows:
        if row.outcome == outcome:
            found[row.reason] = found.get(row.reason, 0) + row.count
    return dict(sorted(found.items(), key=lambda item: -item[1]))


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


def pair(database: Database, number: int) -> Mapping[str, Any] | None:
    """The stored pair of that number, its document beside what is known of it. Raises StoreError."""

    def read(connection: Connection) -> Mapping[str, Any] | None:
        row = connection.execute(select(pairs).where(pairs.c.id == number)).mappings().first()
        return None if row is None else _plain(row)

    return database.read(read)


def stored_pairs(database: Database, migration: str) -> list[Mapping[str, Any]]:
    """All stored pairs of a migration, the oldest first. Raises StoreError."""

    def read(connection: Connection) -> list[Mapping[str, Any]]:
        query = select(pairs).where(pairs.c.migration == migration).order_by(pairs.c.id)
        return [_plain(row) for row in connection.execute(query).mappings()]

    return database.read(read)


def _plain(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row of pairs with its document opened."""
    document = orjson.loads(row["document"])
    return {**{str(name): value for name, value in row.items() if name != "document"}, **document}
