"""An order: the sum of its events. Pure; whoever stores the events is elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from orders_service.events import (
    CancellationBegan,
    Item,
    OrderCancelled,
    OrderConfirmed,
    OrderEvent,
    OrderPlaced,
    OrderShipped,
    PaymentCharged,
    PaymentRequested,
    StockReserved,
)

PLACED = "placed"
PENDING = "pending"
PAID = "paid"
CANCELLED = "cancelled"

STATUSES = (PENDING, PAID, CANCELLED)
"""What the API knows; an order that is only placed is nothing that it shows."""

SNAPSHOT_SCHEMA = 1
"""Snapshots of another form are not used: the events have everything."""


@dataclass(frozen=True, slots=True)
class Order:
    id: str
    version: int = 0
    """The number of events that it is the sum of."""
    user_id: int = 0
    items: tuple[Item, ...] = ()
    placed_at: datetime = datetime.min
    number: int | None = None
    status: str = PLACED
    method: str = ""
    paid_at: datetime | None = None
    confirmed: bool = False
    shipped_at: datetime | None = None
    reason: str = ""
    """Why it is, or is being, cancelled."""
    fields: tuple[tuple[str, str], ...] = ()

    @property
    def total_cents(self) -> int:
        return sum(item.unit_price_cents * item.quantity for item in self.items)

    def after(self, *events: OrderEvent) -> Order:
        """The order once these have happened, too."""
        order = self
        for event in events:
            order = replace(_apply(order, event), version=order.version + 1)
        return order

    def shown(self) -> dict[str, object]:
        """As the monolith shows an order."""
        return {
            "id": self.number,
            "status": self.status,
            "total": amount_text(self.total_cents),
            "currency": "EUR",
            "items": [
                {
                    "product_id": item.product_id,
                    "sku": item.sku,
                    "name": item.name,
                    "quantity": item.quantity,
                    "unit_price": amount_text(item.unit_price_cents),
                    "line_total": amount_text(item.unit_price_cents * item.quantity),
                }
                for item in self.items
            ],
            "created_at": timestamp(self.placed_at),
            "paid_at": None if self.paid_at is None else timestamp(self.paid_at),
        }

    def snapshot(self) -> str:
        values = asdict(self)
        for name in ("placed_at", "paid_at", "shipped_at"):
            values[name] = values[name] and values[name].isoformat()
        return json.dumps(values, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def of_snapshot(cls, text: str) -> Order:
        values: dict[str, Any] = json.loads(text)
        for name in ("placed_at", "paid_at", "shipped_at"):
            values[name] = values[name] and datetime.fromisoformat(values[name])
        values["items"] = tuple(Item(**item) for item in values["items"])
        values["fields"] = tuple((name, text) for name, text in values["fields"])
        return cls(**values)


def of_events(order_id: str, events: Iterable[OrderEvent]) -> Order:
    return Order(order_id).after(*events)


def _apply(order: Order, event: OrderEvent) -> Order:
    match event:
        case OrderPlaced():
            return replace(order, user_id=event.user_id, items=event.items, placed_at=event.placed_at)
        case StockReserved():
            return replace(order, number=event.number, status=PENDING)
        case PaymentRequested():
            return replace(order, method=event.method)
        case PaymentCharged():
            return replace(order, status=PAID, paid_at=event.charged_at)
        case OrderConfirmed():
            return replace(order, confirmed=True)
        case OrderShipped():
            return replace(order, shipped_at=event.shipped_at)
        case CancellationBegan():
            return replace(order, reason=event.reason)
        case OrderCancelled():
            return replace(order, status=CANCELLED, reason=event.reason, fields=tuple(event.fields.items()))
        case _:
            return order


def amount_text(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def timestamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
