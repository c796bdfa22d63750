"""What can happen to an order, and how it is written down.

An event is never changed once it is stored. If a type gets another form, its number in `SCHEMAS` goes up, and a
function in `UPCASTERS` makes the new form of the old one each time an old one is read.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Item:
    """A line of an order. Name and price stay what they were when it was placed."""

    product_id: int
    sku: str
    name: str
    quantity: int
    unit_price_cents: int


@dataclass(frozen=True, slots=True)
class OrderPlaced:
    user_id: int
    items: tuple[Item, ...]
    placed_at: datetime
    currency: str = "EUR"
    prices_from: str = "catalog"
    """`catalog`; or `memory`, if the catalog did not respond and the prices are those last seen."""


@dataclass(frozen=True, slots=True)
class StockReserved:
    number: int
    """The order's number, by which its customer knows it from now on."""


@dataclass(frozen=True, slots=True)
class PaymentRequested:
    method: str


@dataclass(frozen=True, slots=True)
class PaymentCharged:
    charged_at: datetime


@dataclass(frozen=True, slots=True)
class OrderConfirmed:
    """Its stock has left the inventory for good."""


@dataclass(frozen=True, slots=True)
class OrderShipped:
    shipped_at: datetime


@dataclass(frozen=True, slots=True)
class CancellationBegan:
    """From here on the saga goes back: what was done is undone, step by step."""

    reason: str


@dataclass(frozen=True, slots=True)
class PaymentRefunded:
    """No money is taken, or what was taken is given back."""


@dataclass(frozen=True, slots=True)
class OrderCancelled:
    reason: str
    fields: dict[str, str] = field(default_factory=dict)
    """What was wrong with which item, if the order was refused."""


OrderEvent = (
    OrderPlaced
    | StockReserved
    | PaymentRequested
    | PaymentCharged
    | OrderConfirmed
    | OrderShipped
    | CancellationBegan
    | PaymentRefunded
    | OrderCancelled
)

TYPES: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        OrderPlaced,
        StockReserved,
        PaymentRequested,
        PaymentCharged,
        OrderConfirmed,
        OrderShipped,
        CancellationBegan,
        PaymentRefunded,
        OrderCancelled,
    )
}

SCHEMAS = {"OrderPlaced": 2}
"""The present form of each type that has had another; 1 for all others."""

MOMENTS = ("placed_at", "charged_at", "shipped_at")


def _order_placed_2(data: dict[str, Any]) -> dict[str, Any]:
    """Form 1 had prices as text in euros, as the monolith shows them, and no currency."""
    items = [
        {name: value for name, value in item.items() if name != "price"}
        | {"unit_price_cents": int(item["price"].replace(".", ""))}
        for item in data["items"]
    ]
    return data | {"items": items, "currency": "EUR", "prices_from": "catalog"}


UPCASTERS: dict[tuple[str, int], Callable[[dict[str, Any]], dict[str, Any]]] = {
    ("OrderPlaced", 1): _order_placed_2,
}
"""By type and old form: makes the next one."""


def write_event(event: OrderEvent) -> tuple[str, int, str]:
    """Type, form and data, as they are stored."""
    kind = type(event).__name__
    data = {name: value.isoformat() if name in MOMENTS else value for name, value in asdict(event).items()}
    return kind, SCHEMAS.get(kind, 1), json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def read_event(kind: str, schema: int, text: str) -> OrderEvent:
    """The event in its present form, whichever it was stored in."""
    data = json.loads(text)
    for old in range(schema, SCHEMAS.get(kind, 1)):
        data = UPCASTERS[kind, old](data)
    if "items" in data:
        data["items"] = tuple(Item(**item) for item in data["items"])
    event: OrderEvent = TYPES[kind](
        **{name: datetime.fromisoformat(value) if name in MOMENTS else value for name, value in data.items()}
    )
    return event
