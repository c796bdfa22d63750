"""The outbox: messages to other services, stored in the transaction of what they announce, and published afterwards.

A message that is stored is published at least once, whatever dies in between; its id lets receivers drop what comes
twice. Messages of one key are published in their order: only the first of each key is ever taken, and the next one is
not the first before that one is published and gone.
"""

from __future__ import annotations

import json
import uuid
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from orders_service.events import OrderEvent
from orders_service.order import Order
from orders_service.schema import outbox

first = outbox.alias("first")


class Message(NamedTuple):
    position: int
    id: str
    key: str
    body: str


def announce(connection: Connection, order: Order, event: OrderEvent, now: datetime) -> None:
    """Have it be known what happened to the order, and what the order is after it.

    Not the event itself: that is this service's own, and its form may change without telling others.
    """
    body = {
        "type": type(event).__name__,
        "order_id": order.id,
        "version": order.version,
        "number": order.number,
        "user_id": order.user_id,
        "status": order.status,
        "total_cents": order.total_cents,
        "occurred_at": now.isoformat(),
    }
    values = {"id": uuid.uuid4().hex, "key": order.id, "body": json.dumps(body, separators=(",", ":"))}
    connection.execute(sa.insert(outbox).values(values))


def take(connection: Connection, limit: int) -> list[Message]:
    """The first message of each key, locked until the transaction ends; those that another process has are left out."""
    earlier = sa.exists().where(first.c.key == outbox.c.key, first.c.position < outbox.c.position)
    heads = (
        sa.select(outbox.c.position, outbox.c.id, outbox.c.key, outbox.c.body)
        .where(~earlier)
        .order_by(outbox.c.position)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [Message(*row) for row in connection.execute(heads)]


def remove(connection: Connection, messages: list[Message]) -> None:
    """They are published, and the broker has said so."""
    positions = [message.position for message in messages]
    connection.execute(sa.delete(outbox).where(outbox.c.position.in_(positions)))


def clear(connection: Connection) -> None:
    """Forget all: there is no broker to publish to."""
    connection.execute(sa.delete(outbox))
