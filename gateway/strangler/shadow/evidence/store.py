"""The evidence in a database: written by judges, read when one starts and by reports (`stored_evidence`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import orjson
import structlog
from sqlalchemy import Table, delete, inspect, select, text, tuple_
from sqlalchemy import func as sql
from sqlalchemy.engine import Connection

from strangler.model.shadow import Keep
from strangler.shadow.evidence.epochs import Epoch, EpochKey, Reset
from strangler.shadow.evidence.tables import (
    PERIOD,
    REPLACED,
    epochs,
    examples,
    learned_noise,
    metadata,
    outcomes,
    pairs,
    resets,
    responses,
    self_tests,
    signatures,
    variety,
)
from strangler.shadow.evidence.unwritten import (
    Example,
    OperationOf,
    RememberedEvidence,
    RouteOf,
    SignatureKey,
    SignatureOf,
    UnwrittenEvidence,
)
from strangler.shadow.evidence.variety import Variety
from strangler.shadow.known_pairs import ticket_and_kind
from strangler.store.database import Database

__all__ = ["SELF_TEST", "ShadowStore", "metadata"]

log = structlog.get_logger(part="judge")

Item = TypeVar("Item")

SELF_TEST = "self-test"
"""The epoch under which known pairs are kept, so that they are no evidence of any other."""


class ShadowStore:
    """The tables of the shadow in `database`."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def write(self, evidence: UnwrittenEvidence) -> None:
        """Add `evidence` in one transaction. Raises StoreError."""
        await self.database.write(lambda connection: self._write(connection, evidence))

    def _write(self, connection: Connection, evidence: UnwrittenEvidence) -> None:
        add, put = self.database.add, self.database.put
        add(connection, outcomes, _rows(outcomes, evidence.outcomes), ("count",))
        add(connection, responses, _rows(responses, evidence.responses), ("count",))
        add(connection, signatures, _signature_rows(evidence.signatures), ("count",))
        self._write_examples(connection, evidence)
        put(
            connection,
            learned_noise,
            [{"migration": name, "document": document} for name, document in evidence.noise.items()],
        )
        put(connection, variety, _variety_rows(connection, evidence))
        put(connection, epochs, _epoch_rows(connection, evidence))
        tested = [{**epoch._asdict(), **one._asdict()} for epoch, one in evidence.self_tests.items()]
        put(connection, self_tests, tested)

    def _write_examples(self, connection: Connection, evidence: UnwrittenEvidence) -> None:
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
            {**place._asdict(), "pair": numbers[id(example)]}
            for place, example in evidence.chosen.items()
            if id(example) in numbers
        ]
        self.database.put(connection, examples, rows)
        connection.execute(delete(pairs).where(pairs.c.id.not_in(select(examples.c.pair))))

    async def retain(self, keeps: dict[str, Keep], now: float) -> None:
        """Delete what is older or more than each migration keeps, by default where it has no shadow any more.

        Raises StoreError.
        """
        await self.database.write(lambda connection: _retain(connection, keeps, now))

    def drop_replaced_tables(self) -> None:
        """Delete what versions without epochs have stored. Raises StoreError."""
        self.database.read(_drop_replaced)

    def remembered(self) -> RememberedEvidence:
        """What a judge goes on from. Raises StoreError."""
        return self.database.read(
            lambda connection: RememberedEvidence(
                _seen(connection),
                _evidence(connection),
                _learned(connection),
                _epochs(connection),
                read_resets(connection),
                _variety(connection),
            )
        )

    def resets(self) -> dict[str, Reset]:
        """How often each migration was reset. Raises StoreError."""
        return self.database.read(read_resets)

    def known_pairs(self, ticket: str) -> dict[str, str]:
        """What became of the known pairs of a self-test, by their kind. Raises StoreError."""
        query = select(outcomes.c.reason, outcomes.c.outcome).where(
            outcomes.c.epoch == SELF_TEST, outcomes.c.reason.startswith(f"{ticket} ", autoescape=True)
        )
        rows = self.database.read(lambda connection: connection.execute(query).all())
        return {ticket_and_kind(row.reason)[1]: row.outcome for row in rows}


def reset(database: Database, connection: Connection, migration: str, reason: str, now: float) -> int:
    """Begin a migration's evidence anew; the number of resets by now."""
    before = read_resets(connection).get(migration, Reset())
    row = {"migration": migration, "number": before.number + 1, "at": now, "reason": reason}
    database.put(connection, resets, [row])
    return before.number + 1


def read_resets(connection: Connection) -> dict[str, Reset]:
    """How often each migration was reset, and why the last time."""
    return {row.migration: Reset(row.number, row.reason) for row in connection.execute(select(resets))}


def _seen(connection: Connection) -> dict[SignatureOf, int]:
    table = signatures.c
    query = select(table.migration, table.epoch, table.signature, sql.sum(table.count)).group_by(
        table.migration, table.epoch, table.signature
    )
    return {SignatureOf(*row[:3]): int(row[3]) for row in connection.execute(query)}


def _evidence(connection: Connection) -> dict[RouteOf, int]:
    table = outcomes.c
    query = (
        select(table.migration, table.epoch, table.route, sql.sum(table.count))
        .where(table.evidence)
        .group_by(table.migration, table.epoch, table.route)
    )
    return {RouteOf(*row[:3]): int(row[3]) for row in connection.execute(query)}


def _learned(connection: Connection) -> dict[str, bytes]:
    return {row.migration: bytes(row.document) for row in connection.execute(select(learned_noise))}


def _epochs(connection: Connection) -> dict[str, list[Epoch]]:
    by_migration: dict[str, list[Epoch]] = {}
    for row in connection.execute(select(epochs)):
        key = EpochKey(row.settings, row.resets, row.legacy, row.extracted)
        by_migration.setdefault(row.migration, []).append(Epoch(row.migration, key, row.began, row.last, row.reason))
    return by_migration


def _variety(connection: Connection) -> dict[OperationOf, Variety]:
    rows = connection.execute(select(variety))
    return {OperationOf(row.migration, row.epoch, row.operation): Variety.read(bytes(row.sketches)) for row in rows}


def _rows(table: Table, counts: Mapping[Any, int]) -> list[dict[str, Any]]:
    names = [column.name for column in table.primary_key]
    return [{**dict(zip(names, key, strict=True)), "count": count} for key, count in counts.items()]


def _signature_rows(counts: dict[SignatureKey, int]) -> list[dict[str, Any]]:
    rows: dict[tuple[str, str, str, int, str], dict[str, Any]] = {}
    for counted, count in counts.items():
        key = (counted.migration, counted.epoch, counted.signature, counted.period, counted.operation)
        row = rows.setdefault(key, {**counted._asdict(), "count": 0})
        row["count"] += count
    return list(rows.values())


def _pair_row(example: Example) -> dict[str, Any] | None:
    """What is stored of an example; None where that fails, which must not keep the rest from the store."""
    try:
        document = orjson.dumps(example.document())
    except Exception:
        log.exception("an example can't be stored", migration=example.migration, operation=example.operation)
        return None
    return {**example._asdict(), "size": len(document), "document": document}


def _variety_rows(connection: Connection, evidence: UnwrittenEvidence) -> list[dict[str, Any]]:
    """What is known of each operation, and what another gateway has stored of it in addition."""
    if not evidence.variety:
        return []
    key = tuple_(variety.c.migration, variety.c.epoch, variety.c.operation)
    stored: dict[OperationOf, bytes] = {}
    for keys in _slices(list(evidence.variety), 200):
        rows = connection.execute(select(variety).where(key.in_(keys)))
        stored |= {OperationOf(row.migration, row.epoch, row.operation): bytes(row.sketches) for row in rows}
    both = []
    for operation, sketches in evidence.variety.items():
        known = Variety.read(sketches)
        if operation in stored:
            known.merge(Variety.read(stored[operation]))
        both.append({**operation._asdict(), "sketches": known.as_bytes()})
    return both


def _epoch_rows(connection: Connection, evidence: UnwrittenEvidence) -> list[dict[str, Any]]:
    """Epochs with their last moment; when one began, and why, stays what was stored first."""
    rows = []
    for (migration, number), epoch in evidence.epochs.items():
        query = select(epochs).where(epochs.c.migration == migration, epochs.c.epoch == number)
        stored = connection.execute(query).first()
        known = {} if stored is None else {"began": stored.began, "reason": stored.reason}
        last = epoch.last if stored is None else max(epoch.last, stored.last)
        rows.append(
            {
                "migration": migration,
                "epoch": number,
                **epoch.key._asdict(),
                "began": epoch.began,
                "last": last,
                "reason": epoch.reason,
                **known,
            }
        )
    return rows


def _drop_replaced(connection: Connection) -> None:
    there = sorted(set(REPLACED) & set(inspect(connection).get_table_names()))
    for name in there:
        connection.execute(text(f'DROP TABLE "{name}"'))
    if there:
        log.warning("evidence of an earlier version was deleted: it does not tell what it is about", tables=there)


def _retain(connection: Connection, keeps: dict[str, Keep], now: float) -> None:
    stored = select(outcomes.c.migration).union(select(responses.c.migration), select(pairs.c.migration))
    for migration in connection.execute(stored).scalars().all():
        keep = keeps.get(migration, Keep())
        oldest = now - keep.age
        for table in (outcomes, responses, signatures):
            connection.execute(delete(table).where(table.c.migration == migration, table.c.period < oldest - PERIOD))
        connection.execute(delete(pairs).where(pairs.c.migration == migration, pairs.c.at < oldest))
        connection.execute(delete(epochs).where(epochs.c.migration == migration, epochs.c.last < oldest))
        _shrink(connection, migration, keep.size)
    connection.execute(delete(examples).where(examples.c.pair.not_in(select(pairs.c.id))))
    for table in (variety, self_tests):
        connection.execute(delete(table).where(table.c.epoch.not_in(select(epochs.c.epoch))))


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


def _slices(items: list[Item], length: int) -> Iterable[list[Item]]:
    return (items[start : start + length] for start in range(0, len(items), length))
