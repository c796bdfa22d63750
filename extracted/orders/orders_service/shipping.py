"""Noting that an order has left the warehouse."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from orders_service.event_store import append, load
from orders_service.events import OrderShipped
from orders_service.order import Order
from orders_service.schema import orders


class NotShippable(Exception):
    """The order is not there, not confirmed, or has left already."""


def ship(connection: Connection, number: int) -> Order:
    """Raises `NotShippable`."""
    order_id = connection.execute(sa.select(orders.c.id).where(orders.c.number == number)).scalar_one_or_none()
    if order_id is None:
        raise NotShippable(f"there is no order {number}")
    order = load(connection, order_id)
    if not order.confirmed or order.shipped_at is not None:
        raise NotShippable(f"order {number} is {'shipped already' if order.shipped_at else 'not confirmed'}")
    return append(connection, order, OrderShipped(datetime.now(UTC)))
