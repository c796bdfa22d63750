"""What may be ordered: the rules of the monolith's `POST /api/orders`."""

from __future__ import annotations

from typing import Any

from orders_service.answer import invalid

MAX_ITEMS = 50
MAX_QUANTITY = 99


def read_quantities(values: dict[str, Any]) -> dict[int, int]:
    """The quantities by product id in a request's `items`.

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
