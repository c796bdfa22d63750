"""A reservation of stock: what may be reserved, what states it goes through, and how the API shows it.

    (unknown) ── reserve ──▶ reserved ── commit ──▶ committed
        │                        │
        └──────── release ───────┴──▶ released

`committed` and `released` are final. A release of an unknown key is remembered as `released`, so that a reserve
request that was delayed on the way, and arrives after its own compensation, takes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from inventory_service.answer import ApiError, conflict, invalid

MAX_ITEMS = 50
MAX_QUANTITY = 99

RESERVED = "reserved"
COMMITTED = "committed"
RELEASED = "released"


@dataclass(frozen=True, slots=True)
class Reservation:
    key: str
    status: str
    quantities: dict[int, int]
    """By product id, in the order of the request."""
    created_at: datetime
    changed_at: datetime

    def shown(self) -> dict[str, object]:
        return {
            "key": self.key,
            "status": self.status,
            "items": [
                {"product_id": product_id, "quantity": quantity} for product_id, quantity in self.quantities.items()
            ],
            "created_at": timestamp(self.created_at),
            "changed_at": timestamp(self.changed_at),
        }


def timestamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_quantities(values: dict[str, Any]) -> dict[int, int]:
    """The quantities by product id in a request's `items`, under the rules of the monolith's `POST /api/orders`.

    Raises the `ApiError` of the monolith for anything else.
    """
    items = values.get("items")
    quantities: dict[int, int] = {}
    if isinstance(items, list) and 1 <= len(items) <= MAX_ITEMS:
        for item in items:
            line = _read_line(item)
            if line is None or line[0] in quantities:
                break
            quantities[line[0]] = line[1]
        else:
            return quantities
    raise invalid(
        {
            "items": f"must be 1 to {MAX_ITEMS} objects with product_id and quantity 1 to {MAX_QUANTITY}, "
            "each product once"
        }
    )


def _read_line(item: object) -> tuple[int, int] | None:
    if not isinstance(item, dict):
        return None
    product_id, quantity = item.get("product_id"), item.get("quantity")
    # `type` and not isinstance: true and false are int to Python, not to JSON.
    if type(product_id) is not int or type(quantity) is not int or not 1 <= quantity <= MAX_QUANTITY:
        return None
    # An id beyond 18 digits names nothing, and would not fit the database's integers.
    return (product_id, quantity) if abs(product_id) < 10**18 else None


def unknown_product(product_id: int) -> ApiError:
    return invalid({"items": f"there is no product {product_id}"})


def out_of_stock(left: dict[int, int]) -> ApiError:
    """`left` is what is available, by product id, of the products of which too little is."""
    fields = {str(product_id): f"only {available} left" for product_id, available in left.items()}
    return conflict("out_of_stock", "Not enough stock.", fields)


def key_reused() -> ApiError:
    return conflict("key_reused", "The key belongs to a reservation with other items.")


def already(status: str) -> ApiError:
    """The reservation has reached a final state, and not the one that was requested."""
    return conflict(status, f"The reservation is {status}.")
