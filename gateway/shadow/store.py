"""What the judge found, as it is kept: counts, latencies, and examples of pairs.

Counts are kept per period of PERIOD seconds, so that a report can begin later
than the evidence and retention can end it. Latencies are a histogram whose
buckets grow by a tenth, so a percentile is right to 5 %.

Of each signature a reservoir of RESERVOIR examples is kept, in which every pair
that ever had it has the same chance to be (Vitter's algorithm R, 1985), and
beside it the latest one. Of pairs that match, the same per route.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import orjson
import structlog
from sqlalchemy import BigInteger, Boolean, Column, Float, Integer, LargeBinary, MetaData, String, Table, delete, select
from sqlalchemy import func as sql
from sqlalchemy.engine import Connection

from gateway.config.snapshot import Keep
from gateway.shadow.difference import OTHERS
from gateway.store.database import Database

log = structlog.get_logger(part="judge")

PERIOD = 600
RESERVOIR = 5
LATEST = -1
SIGNATURES = 1000
"""Most signatures of one migration that are told apart; what comes after them is counted as OTHERS."""

metadata = MetaData()

_ID = BigInteger().with_variant(Integer, "sqlite")

outcomes = Table(
    "shadow_outcomes",
    metadata,
    Column("migration", String, primary_key=True),
    Column("route", String, primary_key=True),
    Column("endpoint", String, primary_key=True),
    Column("period", BigInteger, primary_key=True),
    Column("outcome", String, primary_key=True),
    Column("reason", String, primary_key=True),
    Column("evidence", Boolean, primary_key=True),
    Column("count", BigInteger, nullable=False),
)
answers = Table(
    "shadow_answers",
    metadata,
    Column("migration", String, primary_key=True),
    Column("endpoint", String, primary_key=True),
    Column("side", String, primary_key=True),
    Column("period", BigInteger, primary_key=True),
    Column("status", Integer, primary_key=True),
    Column("bucket", Integer, primary_key=True),
    Column("count", BigInteger, nullable=False),
)
signatures = Table(
    "shadow_signatures",
    metadata,
    Column("migration", String, primary_key=True),
    Column("signature", String, primary_key=True),
    Column("period", BigInteger, primary_key=True),
    Column("endpoint", String, primary_key=True),
    Column("path", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("risk", String, nullable=False),
    Column("count", BigInteger, nullable=False),
)
pairs = Table(
    "shadow_pairs",
    metadata,
    Column("id", _ID, primary_key=True, autoincrement=True),
    Column("migration", String, nullable=False, index=True),
    Column("route", String, nullable=False),
    Column("endpoint", String, nullable=False),
    Column("at", Float, nullable=False),
    Column("outcome", String, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("document", LargeBinary, nullable=False),
)
examples = Table(
    "shadow_examples",
    metadata,
    Column("migration", String, primary_key=True),
    Column("signature", String, primary_key=True),
    Column("slot", Integer, primary_key=True),
    Column("pair", _ID, nullable=False, index=True),
)
noise = Table(
    "shadow_noise",
    metadata,
    Column("migration", String, primary_key=True),
    Column("document", LargeBinary, nullable=False),
)

_FACTOR = math.log(1.1)


def bucket_of_latency(seconds: float) -> int:
    """The number of the bucket that holds `seconds`: 0 is up to 10 microseconds."""
    return max(0, math.ceil(math.log(max(seconds, 1e-5) / 1e-5) / _FACTOR))


def latency_of_bucket(bucket: int) -> float:
    """The seconds in the middle of a bucket."""
    return 1e-5 * math.exp((bucket - 0.5) * _FACTOR)


Count = tuple[str, str, str, int, str, str, bool]
"""Migration, route, endpoint, period, outcome, reason or rule, whether it is evidence."""

AnswerCount = tuple[str, str, str, int, int, int]
"""Migration, endpoint, side, period, status (0 where none came), bucket of the latency."""

SignatureCount = tuple[str, str, int, str, str, str, str]
"""Migration, signature, period, endpoint, path, kind, risk."""


class Example(NamedTuple):
    """A pair as it is kept; `document` makes what is stored of it, redacted, once it is sure to be."""

    migration: str
    route: str
    endpoint: str
    at: float
    outcome: str
    document: Callable[[], dict[str, Any]]


@dataclass(slots=True)
class Evidence:
    """What was found since the last time it was written; `chosen` maps places among the examples to pairs."""

    outcomes: dict[Count, int] = field(default_factory=dict)
    answers: dict[AnswerCount, int] = field(default_factory=dict)
    signatures: dict[SignatureCount, int] = field(default_factory=dict)
    chosen: dict[tuple[str, str, int], Example] = field(default_factory=dict)
    noise: dict[str, bytes] = field(default_factory=dict)

    def merge(self, older: Evidence) -> None:
        """Take in what could not be written before."""
        _add(self.outcomes, older.outcomes)
        _add(self.answers, older.answers)
        _add(self.signatures, older.signatures)
        self.chosen = {**older.chosen, **self.chosen}
        self.noise = {**older.noise, **self.noise}

    def keep_reservoirs(self, seen: Mapping[tuple[str, str], int]) -> None:
        """Leave the stored examples of signatures that were `seen` before, but for the latest one, as they are."""
        self.chosen = {
            place: example for place, example in self.chosen.items() if place[2] == LATEST or place[:2] not in seen
        }

    def __bool__(self) -> bool:
        return bool(self.outcomes or self.answers or self.signatures or self.chosen or self.noise)


Key = TypeVar("Key")


def _add(counts: dict[Key, int], others: Mapping[Key, int]) -> None:
    for key, count in others.items():
        counts[key] = counts.get(key, 0) + count


@dataclass(frozen=True, slots=True)
class Remembered:
    """What a store holds of what judges have found.

    How often each signature of each migration was `seen`, how many pairs each
    route (migration, route) has, and what was `learned` of each one's noise.
    """

    seen: Mapping[tuple[str, str], int]
    compared: Mapping[tuple[str, str], int]
    learned: Mapping[str, bytes]


class Reservoirs:
    """Chooses which pairs are kept as examples, without asking the store.

    `seen` is how often each signature of each migration was seen before.
    """

    def __init__(self, seen: dict[tuple[str, str], int] | None = None) -> None:
        self._seen = dict(seen or {})

    def merge(self, seen: Mapping[tuple[str, str], int]) -> None:
        """Take in how often signatures were seen elsewhere."""
        _add(self._seen, seen)

    def slots(self, migration: str, signature: str) -> list[int]:
        """The places that the next pair with this signature takes: always the latest, perhaps one of the reservoir."""
        key = (migration, signature)
        number = self._seen[key] = self._seen.get(key, 0) + 1
        place = number - 1 if number <= RESERVOIR else int(random.random() * number)
        return [LATEST, place] if place < RESERVOIR else [LATEST]

    def known(self, migration: str, signature: str) -> str:
        """The signature, or OTHERS where the migration has too many."""
        if (migration, signature) in self._seen:
            return signature
        many = sum(1 for name, _ in self._seen if name == migration)
        return signature if many < SIGNATURES else OTHERS


class ShadowStore:
    """The tables of the shadow in `database`."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def write(self, evidence: Evidence) -> None:
        """Add `evidence` in one transaction. Raises StoreError."""
        await self.database.write(lambda connection: self._write(connection, evidence))

    def _write(self, connection: Connection, evidence: Evidence) -> None:
        add = self.database.add
        add(connection, outcomes, _rows(outcomes, evidence.outcomes), ("count",))
        add(connection, answers, _rows(answers, evidence.answers), ("count",))
        add(connection, signatures, _signature_rows(evidence.signatures), ("count",))
        self._write_examples(connection, evidence)
        learned = [{"migration": name, "document": document} for name, document in evidence.noise.items()]
        self.database.put(connection, noise, learned)

    def _write_examples(self, connection: Connection, evidence: Evidence) -> None:
        if not evidence.chosen:
            return
        different = {id(example): example for example in evidence.chosen.values()}
        made = {number: row for number, example in different.items() if (row := _pair_row(example)) is not None}
        if not made:
            return
        # In one statement: one for each took half of the time of all that is written.
        insert = pairs.insert().returning(pairs.c.id, sort_by_parameter_order=True)
        inserted = connection.execute(insert, list(made.values())).scalars()
        numbers = dict(zip(made, inserted, strict=True))
        rows = [
            {"migration": migration, "signature": signature, "slot": slot, "pair": numbers[id(example)]}
            for (migration, signature, slot), example in evidence.chosen.items()
            if id(example) in numbers
        ]
        self.database.put(connection, examples, rows)
        connection.execute(delete(pairs).where(pairs.c.id.not_in(select(examples.c.pair))))

    async def retain(self, keeps: dict[str, Keep], now: float) -> None:
        """Delete what is older or more than each migration keeps, by default where it has no shadow any more.

        Raises StoreError.
        """
        await self.database.write(lambda connection: _retain(connection, keeps, now))

    def remembered(self) -> Remembered:
        """What a judge goes on from. Raises StoreError."""
        return Remembered(self.seen(), self.compared(), self.learned())

    def seen(self) -> dict[tuple[str, str], int]:
        """How often each signature was seen. Raises StoreError."""
        query = select(signatures.c.migration, signatures.c.signature, sql.sum(signatures.c.count)).group_by(
            signatures.c.migration, signatures.c.signature
        )
        return self.database.read(
            lambda connection: {(row[0], row[1]): int(row[2]) for row in connection.execute(query)}
        )

    def compared(self) -> dict[tuple[str, str], int]:
        """How many pairs that are evidence each route of each migration has. Raises StoreError."""
        query = (
            select(outcomes.c.migration, outcomes.c.route, sql.sum(outcomes.c.count))
            .where(outcomes.c.evidence)
            .group_by(outcomes.c.migration, outcomes.c.route)
        )
        return self.database.read(
            lambda connection: {(row[0], row[1]): int(row[2]) for row in connection.execute(query)}
        )

    def learned(self) -> dict[str, bytes]:
        """What was learned about the noise of each migration. Raises StoreError."""
        query = select(noise.c.migration, noise.c.document)
        return self.database.read(lambda connection: {row[0]: bytes(row[1]) for row in connection.execute(query)})


def _rows(table: Table, counts: dict[Any, int]) -> list[dict[str, Any]]:
    names = [column.name for column in table.primary_key]
    return [{**dict(zip(names, key, strict=True)), "count": count} for key, count in counts.items()]


def _signature_rows(counts: dict[SignatureCount, int]) -> list[dict[str, Any]]:
    rows: dict[tuple[str, str, int, str], dict[str, Any]] = {}
    for (migration, signature, period, endpoint, path, kind, risk), count in counts.items():
        key = (migration, signature, period, endpoint)
        row = rows.get(key)
        if row is not None:
            row["count"] += count
            continue
        rows[key] = {
            "migration": migration,
            "signature": signature,
            "period": period,
            "endpoint": endpoint,
            "path": path,
            "kind": kind,
            "risk": risk,
            "count": count,
        }
    return list(rows.values())


def _pair_row(example: Example) -> dict[str, Any] | None:
    """What is stored of an example; None where that fails, which must not keep the rest from the store."""
    try:
        document = orjson.dumps(example.document())
    except Exception:
        log.exception("an example can't be stored", migration=example.migration, endpoint=example.endpoint)
        return None
    return {
        "migration": example.migration,
        "route": example.route,
        "endpoint": example.endpoint,
        "at": example.at,
        "outcome": example.outcome,
        "size": len(document),
        "document": document,
    }


def _retain(connection: Connection, keeps: dict[str, Keep], now: float) -> None:
    stored = select(outcomes.c.migration).union(select(answers.c.migration), select(pairs.c.migration))
    for migration in connection.execute(stored).scalars().all():
        keep = keeps.get(migration, Keep())
        oldest = now - keep.age
        for table in (outcomes, answers, signatures):
            connection.execute(delete(table).where(table.c.migration == migration, table.c.period < oldest - PERIOD))
        connection.execute(delete(pairs).where(pairs.c.migration == migration, pairs.c.at < oldest))
        _shrink(connection, migration, keep.size)
    connection.execute(delete(examples).where(examples.c.pair.not_in(select(pairs.c.id))))


def _shrink(connection: Connection, migration: str, size: int) -> None:
    """Delete the oldest pairs until the others have no more than `size` bytes together."""
    newest_first = select(pairs.c.id, pairs.c.size).where(pairs.c.migration == migration).order_by(pairs.c.id.desc())
    kept = 0
    surplus = []
    for number, bytes_of_pair in connection.execute(newest_first):
        kept += bytes_of_pair
        if kept > size:
            surplus.append(number)
    for numbers in _slices(surplus, 500):
        connection.execute(delete(pairs).where(pairs.c.id.in_(numbers)))


def _slices(numbers: list[int], length: int) -> Iterable[list[int]]:
    return (numbers[start : start + length] for start in range(0, len(numbers), length))
