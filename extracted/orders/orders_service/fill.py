"""Copying the monolith's orders into this service's database, each as the events that must have happened.

Can be repeated: an order that is known here is left alone, for its events are this service's own from then on. What the
monolith did to it since is not seen, so stop the monolith's order routes before the last fill.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from orders_service import saga as states
from orders_service.event_store import append
from orders_service.events import (
    Item,
    OrderCancelled,
    OrderConfirmed,
    OrderEvent,
    OrderPlaced,
    PaymentCharged,
    StockReserved,
)
from orders_service.order import Order
from orders_service.read_model import insert
from orders_service.schema import orders, sagas

BATCH = 1000
PAYMENT_DEADLINE = timedelta(days=1)
"""How long the customers of orders that are not paid have from the fill on."""

# Names only: types are read from what comes, since the monolith's may be of either database.
monolith_orders = sa.table(
    "orders_order", *map(sa.column, ("id", "user_id", "status", "total_cents", "created_at", "paid_at"))
)
monolith_items = sa.table(
    "orders_orderitem",
    *map(sa.column, ("id", "order_id", "product_id", "sku", "name", "quantity", "unit_price_cents")),
)

Row = Mapping[Any, Any]


class FillError(Exception):
    """The monolith's database was not copied; the message says why. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class Filled:
    """What a fill did: orders copied, and orders that were known already."""

    copied: int
    known: int


def fill(source: Engine, target: Engine) -> Filled:
    """Copy in one transaction on either side."""
    with (
        source.connect() as reading,
        target.connect().execution_options(writes=True) as writing,
        writing.begin(),
    ):
        known = set(writing.execute(sa.select(orders.c.number)).scalars())
        copied = 0
        for row, items in _read_orders(reading):
            if row["id"] not in known:
                _copy(writing, row, items)
                copied += 1
        _count_on(writing)
        return Filled(copied, len(known))


def stream_of(number: int) -> str:
    """The id of an order that came from the monolith: of the same form as others, and the same in every fill."""
    return f"monolith-{number:018d}"


def _read_orders(connection: Connection) -> Iterator[tuple[Row, list[Row]]]:
    ordered = sa.select(monolith_orders).order_by(sa.text("id"))
    result = connection.execute(ordered, execution_options={"yield_per": BATCH}).mappings()
    for partition in result.partitions():
        ids = [row["id"] for row in partition]
        lines: dict[int, list[Row]] = {order_id: [] for order_id in ids}
        chosen = sa.select(monolith_items).where(monolith_items.c.order_id.in_(ids)).order_by(monolith_items.c.id)
        for line in connection.execute(chosen).mappings():
            lines[line["order_id"]].append(line)
        yield from ((row, lines[row["id"]]) for row in partition)


def _copy(connection: Connection, row: Row, lines: list[Row]) -> None:
    items = tuple(
        Item(line["product_id"], line["sku"], line["name"], line["quantity"], line["unit_price_cents"])
        for line in lines
    )
    happened: list[OrderEvent] = [
        OrderPlaced(row["user_id"], items, read_moment(row["created_at"])),
        StockReserved(row["id"]),
    ]
    state = states.AWAITING_PAYMENT
    if row["status"] == "paid":
        happened += [PaymentCharged(read_moment(row["paid_at"])), OrderConfirmed()]
        state = states.COMPLETED
    elif row["status"] == "cancelled":
        happened += [OrderCancelled("cancelled in the monolith")]
        state = states.CANCELLED
    insert(connection, append(connection, Order(stream_of(row["id"])), *happened))
    now = datetime.now(UTC)
    deadline = now + PAYMENT_DEADLINE if state == states.AWAITING_PAYMENT else None
    values = {"id": stream_of(row["id"]), "state": state, "attempts": 0, "changed_at": now}
    connection.execute(sa.insert(sagas).values(**values, next_attempt_at=deadline, deadline=deadline))


def read_moment(value: str | datetime) -> datetime:
    """A moment as the monolith keeps it: PostgreSQL has a type for it, SQLite a text in UTC."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _count_on(connection: Connection) -> None:
    """The next order's number follows the highest. SQLite sees to that by itself."""
    if connection.dialect.name == "postgresql":
        highest = sa.select(sa.func.max(orders.c.number)).scalar_subquery()
        sequence = sa.func.pg_get_serial_sequence("orders", "number")
        connection.execute(sa.select(sa.func.setval(sequence, highest)).where(highest.is_not(None)))
