"""The counted callers and the latencies of rollouts in the store: written by every gateway, read by the controller.

A caller who is noted twice, by two workers or two gateways, is one row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import delete, select
from sqlalchemy import func as sql
from sqlalchemy.engine import Connection

from strangler.control.rollouts.tables import latencies, noted_callers, seen_callers
from strangler.observe.callers import CallersReport
from strangler.observe.counters import BUCKETS
from strangler.observe.sketch import Sketch
from strangler.observe.worker_report import Labels, RequestFigures
from strangler.store.database import Database

PERIOD = 600
"""Seconds of one count of latencies."""
WINDOW = 86_400.0
"""Seconds back from now within which a window of the control has to lie."""
ENOUGH = 500
"""Requests of a route from which a 99th percentile is taken: five were slower."""
SLOW_SHARE = 0.01
SURELY_SEEN = 0.9
"""A sketch of callers is right to about 3 %, and a count must not be too high."""
MOST_WAITING = 100_000
"""Noted callers that wait for a store that can't be written; later ones are left out."""
MOST_STORED = 100_000
"""Noted callers of a scope that are stored; many fewer decide any test."""
KEEP = 90 * 86_400.0
"""Seconds for which callers of earlier scopes are kept: to see what failed."""


class NotedKey(NamedTuple):
    migration: str
    scope: str
    gate: str
    side: str
    caller: str


class NotedRow(NamedTuple):
    at: float
    operation: str
    reason: str


class SeenKey(NamedTuple):
    migration: str
    scope: str
    side: str


class LatencyKey(NamedTuple):
    migration: str
    route: str
    period: int
    bucket: int


@dataclass(slots=True)
class UnwrittenCallers:
    """What workers have reported and the store does not have yet."""

    noted: dict[NotedKey, NotedRow] = field(default_factory=dict)
    seen: dict[SeenKey, Sketch] = field(default_factory=dict)
    latencies: dict[LatencyKey, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.noted or self.seen or self.latencies)

    def add(self, report: CallersReport, now: float) -> None:
        """Add a worker's report."""
        for one in report.noted:
            if len(self.noted) < MOST_WAITING:
                key = NotedKey(report.migration, report.scope, one.gate, one.side, f"{one.caller:016x}")
                self.noted.setdefault(key, NotedRow(now, one.operation, one.reason))
        for side, registers in report.seen.items():
            self.seen.setdefault(SeenKey(report.migration, report.scope, side), Sketch()).merge(registers)

    def add_latencies(
        self, requests: Mapping[Labels, RequestFigures], migrations: Mapping[str, str], now: float
    ) -> None:
        """Add the latencies of the legacy side; `migrations` are those in rollout, by the names of their routes."""
        period = int(now // PERIOD) * PERIOD
        for (route, side, _, status), figures in requests.items():
            if side == "legacy" and status < 500 and route in migrations:
                for bucket, count in enumerate(figures.buckets):
                    if count:
                        key = LatencyKey(migrations[route], route, period, bucket)
                        self.latencies[key] = self.latencies.get(key, 0) + count

    def merge(self, other: UnwrittenCallers) -> None:
        """Add what could not be written before."""
        for key, row in other.noted.items():
            if len(self.noted) < MOST_WAITING:
                self.noted.setdefault(key, row)
        for seen, sketch in other.seen.items():
            self.seen.setdefault(seen, Sketch()).merge(sketch.registers)
        for latency, count in other.latencies.items():
            self.latencies[latency] = self.latencies.get(latency, 0) + count


class ReasonCount(NamedTuple):
    """How many callers failed (or were slow) in an operation for a reason."""

    gate: str
    side: str
    operation: str
    reason: str
    callers: int


class StoredCallers(NamedTuple):
    """The callers of a scope: how many are noted, by gate and side; how many came, by side."""

    noted: dict[tuple[str, str], int]
    seen: dict[str, int]


def write_callers(database: Database, connection: Connection, unwritten: UnwrittenCallers, now: float) -> None:
    """Add what was reported."""
    by_scope: dict[tuple[str, str], list[dict[str, object]]] = {}
    for key, row in unwritten.noted.items():
        by_scope.setdefault((key.migration, key.scope), []).append({**key._asdict(), **row._asdict()})
    for (migration, scope), rows in by_scope.items():
        stored = connection.execute(
            select(sql.count()).where(noted_callers.c.migration == migration, noted_callers.c.scope == scope)
        ).scalar_one()
        database.put(connection, noted_callers, rows[: max(0, MOST_STORED - stored)])
    for seen, sketch in unwritten.seen.items():
        merged = Sketch(bytes(sketch.registers))
        before = connection.execute(
            select(seen_callers.c.registers).where(
                seen_callers.c.migration == seen.migration,
                seen_callers.c.scope == seen.scope,
                seen_callers.c.side == seen.side,
            )
        ).scalar()
        if before is not None:
            merged.merge(bytes(before))
        database.put(connection, seen_callers, [{**seen._asdict(), "at": now, "registers": bytes(merged.registers)}])
    rows = [{**key._asdict(), "count": count} for key, count in unwritten.latencies.items()]
    database.add(connection, latencies, rows, ("count",))


def read_callers(connection: Connection, migration: str, scope: str) -> StoredCallers:
    """The callers of a scope."""
    noted = connection.execute(
        select(noted_callers.c.gate, noted_callers.c.side, sql.count())
        .where(noted_callers.c.migration == migration, noted_callers.c.scope == scope)
        .group_by(noted_callers.c.gate, noted_callers.c.side)
    )
    seen = connection.execute(
        select(seen_callers.c.side, seen_callers.c.registers).where(
            seen_callers.c.migration == migration, seen_callers.c.scope == scope
        )
    )
    return StoredCallers(
        {(gate, side): int(count) for gate, side, count in noted},
        {side: int(Sketch(bytes(registers)).count() * SURELY_SEEN) for side, registers in seen},
    )


def read_reasons(connection: Connection, migration: str, scope: str, most: int = 5) -> list[ReasonCount]:
    """Why callers of a scope failed or were slow, the most frequent first."""
    table = noted_callers.c
    rows = connection.execute(
        select(table.gate, table.side, table.operation, table.reason, sql.count())
        .where(table.migration == migration, table.scope == scope)
        .group_by(table.gate, table.side, table.operation, table.reason)
        .order_by(sql.count().desc())
        .limit(most)
    )
    return [ReasonCount(row[0], row[1], row[2], row[3], int(row[4])) for row in rows]


def read_thresholds(connection: Connection, migration: str, now: float) -> dict[str, float]:
    """The 99th percentile of the legacy side by route, in seconds, over the last window that held enough requests.

    It is rounded up to the bound of a bucket, which is as good: at most one request in a hundred is slower.
    """
    table = latencies.c
    rows = connection.execute(
        select(table.route, table.period, table.bucket, table.count)
        .where(table.migration == migration, table.period >= int(now - WINDOW))
        .order_by(table.period.desc())
    )
    periods: dict[str, dict[int, list[int]]] = {}
    for route, period, bucket, count in rows:
        periods.setdefault(route, {}).setdefault(period, [0] * (len(BUCKETS) + 1))[bucket] += count
    found = {route: _threshold(by_period.values()) for route, by_period in periods.items()}
    return {route: threshold for route, threshold in found.items() if threshold is not None}


def retain_callers(connection: Connection, now: float) -> None:
    """Delete what is too old to count or to be of interest."""
    connection.execute(delete(noted_callers).where(noted_callers.c.at < now - KEEP))
    connection.execute(delete(seen_callers).where(seen_callers.c.at < now - KEEP))
    connection.execute(delete(latencies).where(latencies.c.period < int(now - 2 * WINDOW)))


def _threshold(newest_first: Iterable[list[int]]) -> float | None:
    counts = [0] * (len(BUCKETS) + 1)
    for window in newest_first:
        counts = [one + other for one, other in zip(counts, window, strict=True)]
        if sum(counts) >= ENOUGH:
            break
    total = sum(counts)
    if total < ENOUGH:
        return None
    slower = total
    for bound, count in zip(BUCKETS, counts, strict=False):
        slower -= count
        if slower <= total * SLOW_SHARE:
            return bound
    return None
