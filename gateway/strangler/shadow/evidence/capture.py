"""A sample of live traffic: ordered through the store, taken by the judge from the pairs that come by, redacted.

Write access to the store is the permission to order a capture, and the only way
to do so. The judge looks for orders every two seconds, keeps to their bounds,
records in the store which orders it has begun, and stores only what `document`
makes of a pair. An uncollected order is deleted, with its pairs, an hour after
its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import BigInteger, Column, Float, Integer, LargeBinary, String, Table, delete, select
from sqlalchemy import func as sql
from sqlalchemy.engine import Connection

from strangler.comparison.compare import Comparison, Outcome
from strangler.redaction.redaction import Redaction
from strangler.shadow.evidence.document import documented
from strangler.shadow.evidence.store import metadata
from strangler.shadow.pair import Pair
from strangler.store.database import Database, StoreError

UNCOLLECTED = 3600.0
"""Seconds after the end of an order for which what was taken is kept."""

_ID = BigInteger().with_variant(Integer, "sqlite")
_NOT_COMPARED = Comparison(Outcome.NOT_COMPARED, evidence=False)

orders = Table(
    "shadow_captures",
    metadata,
    Column("id", _ID, primary_key=True, autoincrement=True),
    Column("migration", String, nullable=False),
    Column("until", Float, nullable=False),
    Column("requests", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
)
captured = Table(
    "shadow_captured",
    metadata,
    Column("id", _ID, primary_key=True, autoincrement=True),
    Column("capture", _ID, nullable=False, index=True),
    Column("document", LargeBinary, nullable=False),
)
begun = Table("shadow_captures_begun", metadata, Column("capture", _ID, primary_key=True, autoincrement=False))


@dataclass(slots=True)
class _Order:
    migration: str
    until: float
    requests: int
    size: int
    taken: list[bytes] = field(default_factory=list)


class Captures:
    """The judge's side. `redactions` are those of the migrations by name."""

    def __init__(self) -> None:
        self.redactions: Mapping[str, Redaction] = {}
        self._orders: dict[int, _Order] = {}

    def forget(self) -> None:
        """Begin anew, for another store."""
        self._orders = {}

    @property
    def wanted(self) -> bool:
        """Whether there is any order."""
        return bool(self._orders)

    def take(self, pair: Pair) -> None:
        """Keep `pair` for the orders that want it."""
        document: bytes | None = None
        for order in self._orders.values():
            if order.migration != pair.migration or order.requests <= 0 or pair.at > order.until:
                continue
            if document is None:
                redaction = self.redactions.get(pair.migration)
                if redaction is None:
                    return
                document = orjson.dumps({"at": pair.at, **documented(pair, _NOT_COMPARED, True, redaction)})
            if len(document) > order.size:
                order.requests = 0
                continue
            order.requests -= 1
            order.size -= len(document)
            order.taken.append(document)

    async def exchange(self, database: Database, now: float) -> None:
        """Write what was taken, and read the orders of `now`, in seconds since 1970. Raises StoreError."""
        taken: dict[int, list[bytes]] = {}
        for number, order in self._orders.items():
            if order.taken:
                # What is taken while this is written goes into a new list.
                taken[number], order.taken = order.taken, []
        ended = [number for number, order in self._orders.items() if order.until < now - UNCOLLECTED]
        if taken or ended:
            try:
                await database.write(lambda connection: _write(connection, taken, now))
            except StoreError:
                for number, documents in taken.items():
                    self._orders[number].taken[:0] = documents
                raise
        orders = await asyncio.to_thread(database.read, _read)
        new = orders.keys() - self._orders.keys()
        if new:
            await database.write(lambda connection: _begin(connection, new))
        self._orders = {number: self._orders.get(number, order) for number, order in orders.items()}


def _write(connection: Connection, taken: Mapping[int, list[bytes]], now: float) -> None:
    connection.execute(delete(orders).where(orders.c.until < now - UNCOLLECTED))
    still = set(connection.execute(select(orders.c.id)).scalars())
    rows = [
        {"capture": number, "document": document}
        for number, documents in taken.items()
        if number in still
        for document in documents
    ]
    if rows:
        connection.execute(captured.insert(), rows)
    connection.execute(delete(captured).where(captured.c.capture.not_in(select(orders.c.id))))
    connection.execute(delete(begun).where(begun.c.capture.not_in(select(orders.c.id))))


def _begin(connection: Connection, numbers: Iterable[int]) -> None:
    for number in numbers:
        # It is there where a judge before this one had begun.
        connection.execute(delete(begun).where(begun.c.capture == number))
        connection.execute(begun.insert().values(capture=number))


def _read(connection: Connection) -> dict[int, _Order]:
    """All orders, less what was taken for them already, by a judge that has died since."""
    by_number = {}
    for row in connection.execute(select(orders)).all():
        count, size = connection.execute(
            select(sql.count(), sql.coalesce(sql.sum(sql.length(captured.c.document)), 0)).where(
                captured.c.capture == row.id
            )
        ).one()
        by_number[int(row.id)] = _Order(row.migration, row.until, row.requests - int(count), row.size - int(size))
    return by_number


def order(database: Database, migration: str, until: float, requests: int, size: int) -> int:
    """Order at most `requests` pairs and `size` bytes until then; the order's number. Raises StoreError."""

    def write(connection: Connection) -> int:
        values = {"migration": migration, "until": until, "requests": requests, "size": size}
        inserted = connection.execute(orders.insert().values(values)).inserted_primary_key
        assert inserted is not None
        return int(inserted[0])

    return database.read(write)


def is_begun(database: Database, number: int) -> bool:
    """Whether a judge takes pairs for an order. Raises StoreError."""
    query = select(begun.c.capture).where(begun.c.capture == number)
    return database.read(lambda connection: connection.execute(query).first() is not None)


def count(database: Database, number: int) -> int:
    """How many pairs were taken for an order. Raises StoreError."""
    query = select(sql.count()).select_from(captured).where(captured.c.capture == number)
    return database.read(lambda connection: int(connection.execute(query).scalar_one()))


def collect(database: Database, number: int) -> list[dict[str, Any]]:
    """The documents of an order, in the order in which they were taken, which is over by this. Raises StoreError."""

    def work(connection: Connection) -> list[dict[str, Any]]:
        query = select(captured.c.document).where(captured.c.capture == number).order_by(captured.c.id)
        documents = [orjson.loads(document) for document in connection.execute(query).scalars()]
        connection.execute(delete(captured).where(captured.c.capture == number))
        connection.execute(delete(begun).where(begun.c.capture == number))
        connection.execute(delete(orders).where(orders.c.id == number))
        return documents

    return database.read(work)
