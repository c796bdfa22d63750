"""The events of all orders, one stream each. Every function runs in the transaction of its caller.

So what follows from an event (the read model, the saga's next state) is stored with it or not at all; decision 0033
says why this is not a library's event store.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from orders_service.events import OrderEvent, read_event, write_event
from orders_service.order import SNAPSHOT_SCHEMA, Order
from orders_service.outbox import announce
from orders_service.schema import events, snapshots

SNAPSHOT_EVERY = 4
"""Events between two snapshots of a stream."""

BATCH = 500


class Recorded(NamedTuple):
    """What a stream's history shows of an event."""

    version: int
    type: str
    recorded_at: datetime


def append(connection: Connection, order: Order, *new: OrderEvent) -> Order:
    """Store what happened to the order, with what is to be announced of it; the order after it.

    Raises `sqlalchemy.exc.IntegrityError` if something else happened to it first.
    """
    now = datetime.now(UTC)
    rows = []
    for version, event in enumerate(new, order.version + 1):
        kind, schema, data = write_event(event)
        rows.append(
            {"stream": order.id, "version": version, "type": kind, "schema": schema, "data": data, "recorded_at": now}
        )
    connection.execute(sa.insert(events), rows)
    after = order
    for event in new:
        after = after.after(event)
        announce(connection, after, event, now)
    if after.version // SNAPSHOT_EVERY > order.version // SNAPSHOT_EVERY:
        _save_snapshot(connection, after)
    return after


def load(connection: Connection, order_id: str, *, snapshot: bool = True) -> Order:
    """The order of a stream; one of version 0 if there is none."""
    order = (_load_snapshot(connection, order_id) if snapshot else None) or Order(order_id)
    rows = (
        sa.select(events.c.type, events.c.schema, events.c.data)
        .where(events.c.stream == order_id, events.c.version > order.version)
        .order_by(events.c.version)
    )
    return order.after(*(read_event(*row) for row in connection.execute(rows)))


def history(connection: Connection, order_id: str) -> list[Recorded]:
    rows = (
        sa.select(events.c.version, events.c.type, events.c.recorded_at)
        .where(events.c.stream == order_id)
        .order_by(events.c.version)
    )
    return [Recorded(*row) for row in connection.execute(rows)]


def all_streams(connection: Connection) -> Iterator[str]:
    """Every stream, in the order of their beginnings."""
    began = sa.select(events.c.stream).where(events.c.version == 1).order_by(events.c.position)
    for row in connection.execute(began, execution_options={"yield_per": BATCH}):
        yield row.stream


def _save_snapshot(connection: Connection, order: Order) -> None:
    # Both dialects have it, under the same names, but not in common.
    insert: Any = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    values = {"version": order.version, "schema": SNAPSHOT_SCHEMA, "data": order.snapshot()}
    statement = insert(snapshots).values(stream=order.id, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["stream"], set_=values))


def _load_snapshot(connection: Connection, order_id: str) -> Order | None:
    usable = sa.select(snapshots.c.data).where(snapshots.c.stream == order_id, snapshots.c.schema == SNAPSHOT_SCHEMA)
    text = connection.execute(usable).scalar_one_or_none()
    return None if text is None else Order.of_snapshot(text)
