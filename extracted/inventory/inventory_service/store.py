"""What is asked of the tables. Every function runs in the transaction of its caller, and is idempotent by key.

Two transactions that have the same key wait for each other at the key's row; two that have the same products wait at
the products' rows, which both lock in the order of their ids. SQLite has one writer at a time anyway.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from inventory_service import bug
from inventory_service.answer import not_found
from inventory_service.reservations import (
    COMMITTED,
    RELEASED,
    RESERVED,
    Reservation,
    already,
    key_reused,
    out_of_stock,
    unknown_product,
)
from inventory_service.schema import reservations, reserved_items, stock


class Stock(NamedTuple):
    """Of one product: what can be reserved, and what is reserved and neither committed nor released."""

    product_id: int
    available: int
    reserved: int


def find_stock(connection: Connection, product_id: int) -> Stock | None:
    columns = (stock.c.product_id, stock.c.available, stock.c.reserved)
    row = connection.execute(sa.select(*columns).where(stock.c.product_id == product_id)).one_or_none()
    return None if row is None else Stock(*row)


def find_reservation(connection: Connection, key: str) -> Reservation | None:
    row = connection.execute(sa.select(reservations).where(reservations.c.key == key)).one_or_none()
    if row is None:
        return None
    items = (
        sa.select(reserved_items.c.product_id, reserved_items.c.quantity)
        .where(reserved_items.c.key == key)
        .order_by(reserved_items.c.position)
    )
    quantities = [(line.product_id, line.quantity) for line in connection.execute(items)]
    return Reservation(row.key, row.status, dict(quantities), row.created_at, row.changed_at)


def reserve(
    connection: Connection, key: str, quantities: Mapping[int, int], deliberate_bug: str = ""
) -> tuple[Reservation, bool]:
    """Take all of it or nothing; the reservation, and whether it was made just now.

    Raises the `ApiError` for a key that was released or has other items, for an unknown product, and for too little
    stock; then nothing has changed.
    """
    if not _insert_key(connection, key, RESERVED):
        found = _existing(connection, key)
        if found.status == RELEASED:
            raise already(RELEASED)
        if list(found.quantities.items()) != list(quantities.items()):
            raise key_reused()
        return found, False
    available = _locked(connection, quantities)
    for product_id in quantities:
        if product_id not in available:
            raise unknown_product(product_id)
    left = {
        product_id: available[product_id]
        for product_id, quantity in quantities.items()
        if available[product_id] < quantity
    }
    if left and deliberate_bug != bug.OVERSELL:
        raise out_of_stock(left)
    for product_id, quantity in quantities.items():
        _move(connection, product_id, available=-min(quantity, available[product_id]), reserved=quantity)
    _insert_items(connection, key, quantities)
    return _existing(connection, key), True


def adopt(connection: Connection, key: str, quantities: Mapping[int, int]) -> None:
    """A reservation of stock that another program has taken: it is not taken from what is available again."""
    assert _insert_key(connection, key, RESERVED), "an adopted key is new"
    for product_id, quantity in quantities.items():
        held = sa.update(stock).where(stock.c.product_id == product_id).values(reserved=stock.c.reserved + quantity)
        connection.execute(held)
    _insert_items(connection, key, quantities)


def release(connection: Connection, key: str, deliberate_bug: str = "") -> Reservation:
    """Give back what the reservation holds; one that was never made is remembered as released.

    Raises the `ApiError` for one that is committed.
    """
    if _insert_key(connection, key, RELEASED):
        return _existing(connection, key)
    found = _existing(connection, key)
    if found.status == COMMITTED:
        raise already(COMMITTED)
    if found.status == RESERVED:
        _locked(connection, found.quantities)
        for product_id, quantity in found.quantities.items():
            returned = 0 if deliberate_bug == bug.LOST_RELEASE else quantity
            _move(connection, product_id, available=returned, reserved=-quantity)
        _set_status(connection, key, RELEASED)
    return _existing(connection, key)


def commit(connection: Connection, key: str) -> Reservation:
    """The reserved things leave the stock for good.

    Raises the `ApiError` for an unknown reservation, and for one that is released.
    """
    found = _lock_key(connection, key)
    if found is None:
        raise not_found()
    if found.status == RELEASED:
        raise already(RELEASED)
    if found.status == RESERVED:
        _locked(connection, found.quantities)
        for product_id, quantity in found.quantities.items():
            _move(connection, product_id, available=0, reserved=-quantity)
        _set_status(connection, key, COMMITTED)
    return _existing(connection, key)


def _insert_key(connection: Connection, key: str, status: str) -> bool:
    """Whether the key is new. If it is in another transaction's hands, this waits for how that ends."""
    # Both dialects have it, under the same names, but not in common.
    insert: Any = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    now = datetime.now(UTC)
    statement = insert(reservations).values(key=key, status=status, created_at=now, changed_at=now)
    unless_there = statement.on_conflict_do_nothing(index_elements=["key"]).returning(reservations.c.key)
    return connection.execute(unless_there).first() is not None


def _insert_items(connection: Connection, key: str, quantities: Mapping[int, int]) -> None:
    items = [
        {"key": key, "position": position, "product_id": product_id, "quantity": quantity}
        for position, (product_id, quantity) in enumerate(quantities.items())
    ]
    connection.execute(sa.insert(reserved_items), items)


def _lock_key(connection: Connection, key: str) -> Reservation | None:
    connection.execute(sa.select(reservations.c.key).where(reservations.c.key == key).with_for_update())
    return find_reservation(connection, key)


def _existing(connection: Connection, key: str) -> Reservation:
    found = _lock_key(connection, key)
    assert found is not None, "a reservation is never deleted"
    return found


def _locked(connection: Connection, quantities: Mapping[int, int]) -> dict[int, int]:
    """What is available of the products, by id; their rows are locked until the transaction ends."""
    rows = (
        sa.select(stock.c.product_id, stock.c.available)
        .where(stock.c.product_id.in_(list(quantities)))
        .order_by(stock.c.product_id)
        .with_for_update()
    )
    return {row.product_id: row.available for row in connection.execute(rows)}


def _move(connection: Connection, product_id: int, *, available: int, reserved: int) -> None:
    connection.execute(
        sa.update(stock)
        .where(stock.c.product_id == product_id)
        .values(
            available=stock.c.available + available,
            reserved=stock.c.reserved + reserved,
            changed_at=datetime.now(UTC),
        )
    )


def _set_status(connection: Connection, key: str, status: str) -> None:
    connection.execute(
        sa.update(reservations).where(reservations.c.key == key).values(status=status, changed_at=datetime.now(UTC))
    )
