"""Copying the monolith's stock into this service's database.

Can be repeated: afterwards the same products are there as in the monolith, with the same stock. Only stock that was
reserved *here* since stays, for of that the monolith knows nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine

from inventory_service.schema import stock

BATCH = 1000

# Names only: types are read from what comes, since the monolith's may be of either database.
products = sa.table("catalog_product", sa.column("id"), sa.column("stock"))


class FillError(Exception):
    """The monolith's database was not copied; the message says why. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class Filled:
    """What a fill did: products copied, and products removed because the monolith has them no more."""

    products: int
    removed: int


def fill(source: Engine, target: Engine) -> Filled:
    """Copy in one transaction on either side.

    Raises `FillError` if the monolith has no product at all: that is a wrong address, not a shop.
    """
    with (
        source.connect() as reading,
        target.connect().execution_options(writes=True) as writing,
        writing.begin(),
    ):
        untouched = sa.select(stock.c.product_id).where(stock.c.changed_at.is_(None))
        gone = set(writing.execute(untouched).scalars())
        copied = 0
        for batch in _batches(reading):
            writing.execute(_upsert(writing), batch)
            gone.difference_update(row["product_id"] for row in batch)
            copied += len(batch)
        if not copied:
            raise FillError("the monolith's database has no products")
        for some in _slices(sorted(gone)):
            writing.execute(sa.delete(stock).where(stock.c.product_id.in_(some)))
        return Filled(copied, len(gone))


def _batches(connection: Connection) -> Iterator[list[dict[str, Any]]]:
    rows = connection.execution_options(yield_per=BATCH).execute(sa.select(products)).mappings()
    for partition in rows.partitions():
        yield [{"product_id": row["id"], "available": row["stock"], "reserved": 0} for row in partition]


def _upsert(connection: Connection) -> sa.Insert:
    # Both dialects have it, under the same names, but not in common.
    insert: Any = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(stock)
    updated: sa.Insert = statement.on_conflict_do_update(
        index_elements=["product_id"],
        set_={"available": statement.excluded.available},
        where=stock.c.changed_at.is_(None),
    )
    return updated


def _slices(ids: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(ids), BATCH):
        yield ids[start : start + BATCH]
