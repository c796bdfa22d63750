"""Copying the monolith's stock into this service's database, and what its pending orders hold of it as reservations.

Can be repeated: afterwards the same products are there as in the monolith, with the same stock. Only stock that was
reserved *here* since stays, and so do reservations that are known, for of those the monolith knows nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine

from inventory_service.schema import reservations, stock
from inventory_service.store import adopt

BATCH = 1000

# Names only: types are read from what comes, since the monolith's may be of either database.
products = sa.table("catalog_product", sa.column("id"), sa.column("stock"))


pending = sa.table("orders_order", sa.column("id"), sa.column("status"))
items = sa.table("orders_orderitem", *map(sa.column, ("id", "order_id", "product_id", "quantity")))


class FillError(Exception):
    """The monolith's database was not copied; the message says why. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class Filled:
    """What a fill did: products copied, products removed because the monolith has them no more, and orders reserved."""

    products: int
    removed: int
    reserved: int


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
        return Filled(copied, len(gone), _reserve_pending(reading, writing))


def _reserve_pending(reading: Connection, writing: Connection) -> int:
    """Make reservations of the monolith's pending orders, which have taken their stock from what is available."""
    held = (
        sa.select(items.c.order_id, items.c.product_id, items.c.quantity)
        .join_from(items, pending, items.c.order_id == pending.c.id)
        .where(pending.c.status == "pending")
        .order_by(items.c.order_id, items.c.id)
    )
    orders: dict[int, dict[int, int]] = {}
    for order_id, product_id, quantity in reading.execute(held):
        orders.setdefault(order_id, {})[product_id] = quantity
    known = set(writing.execute(sa.select(reservations.c.key)).scalars())
    new = {order_id: quantities for order_id, quantities in orders.items() if key_of(order_id) not in known}
    for order_id, quantities in new.items():
        adopt(writing, key_of(order_id), quantities)
    return len(new)


def key_of(order_id: int) -> str:
    """The key by which the orders service knows an order that came from the monolith."""
    return f"monolith-{order_id:018d}"


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
