"""The orders as the API lists them: a table of what the events say, kept in the transaction of each event."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from orders_service.event_store import all_streams, load
from orders_service.events import Item
from orders_service.listing import Listing
from orders_service.order import Order
from orders_service.schema import order_items, orders


def give_number(connection: Connection, order: Order) -> int:
    """Make the order's row; its number is the next one."""
    row = sa.insert(orders).values(_row(order)).returning(orders.c.number)
    number: int = connection.execute(row).scalar_one()
    _insert_items(connection, number, order)
    return number


def insert(connection: Connection, order: Order) -> None:
    """Make the row of an order that has a number already."""
    assert order.number is not None
    connection.execute(sa.insert(orders).values(number=order.number, **_row(order)))
    _insert_items(connection, order.number, order)


def update(connection: Connection, order: Order) -> None:
    """Have the row say what the order is now; one that never got a number has none."""
    if order.number is not None:
        connection.execute(sa.update(orders).where(orders.c.number == order.number).values(_row(order)))


def find(connection: Connection, number: int, user_id: int) -> Order | None:
    """The user's order of that number, as far as the read model knows it."""
    row = connection.execute(
        sa.select(orders).where(orders.c.number == number, orders.c.user_id == user_id)
    ).one_or_none()
    return None if row is None else _orders(connection, [row])[0]


def find_page(connection: Connection, user_id: int, listing: Listing) -> tuple[int, list[Order]]:
    """How many orders the user has, and those of the page, the newest first."""
    conditions = [orders.c.user_id == user_id]
    if listing.status is not None:
        conditions.append(orders.c.status == listing.status)
    count = connection.execute(sa.select(sa.func.count()).select_from(orders).where(*conditions)).scalar_one()
    first = (listing.page - 1) * listing.page_size
    if first >= count:
        return count, []
    page = sa.select(orders).where(*conditions).order_by(orders.c.number.desc()).limit(listing.page_size).offset(first)
    return count, _orders(connection, list(connection.execute(page)))


def rebuild(connection: Connection) -> int:
    """Make all rows anew from the events; returns how many. In one transaction, so that readers see old or new."""
    if connection.dialect.name == "postgresql":
        # Events that others append now wait, and update the new rows. SQLite has one writer at a time anyway.
        connection.execute(sa.text("LOCK TABLE orders IN SHARE ROW EXCLUSIVE MODE"))
    connection.execute(sa.delete(order_items))
    connection.execute(sa.delete(orders))
    count = 0
    # Without snapshots: those are made by the code that a rebuild may have to correct.
    for stream in list(all_streams(connection)):
        order = load(connection, stream, snapshot=False)
        if order.number is not None:
            insert(connection, order)
            count += 1
    return count


def _row(order: Order) -> dict[str, object]:
    return {
        "id": order.id,
        "user_id": order.user_id,
        "status": order.status if order.number is not None else "pending",
        "total_cents": order.total_cents,
        "created_at": order.placed_at,
        "paid_at": order.paid_at,
    }


def _insert_items(connection: Connection, number: int, order: Order) -> None:
    rows = [
        {
            "number": number,
            "position": position,
            "product_id": item.product_id,
            "sku": item.sku,
            "name": item.name,
            "quantity": item.quantity,
            "unit_price_cents": item.unit_price_cents,
        }
        for position, item in enumerate(order.items)
    ]
    connection.execute(sa.insert(order_items), rows)


def _orders(connection: Connection, rows: list[sa.Row[tuple[object, ...]]]) -> list[Order]:
    items: dict[int, list[Item]] = {row.number: [] for row in rows}
    lines = (
        sa.select(order_items)
        .where(order_items.c.number.in_(items))
        .order_by(order_items.c.number, order_items.c.position)
    )
    for line in connection.execute(lines):
        items[line.number].append(Item(line.product_id, line.sku, line.name, line.quantity, line.unit_price_cents))
    return [
        Order(
            id=row.id,
            user_id=row.user_id,
            items=tuple(items[row.number]),
            placed_at=row.created_at,
            number=row.number,
            status=row.status,
            paid_at=row.paid_at,
        )
        for row in rows
    ]
