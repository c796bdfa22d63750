"""The cart: product ids and quantities in the session, nothing reserved."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from django.http import HttpRequest

from catalog.models import Product
from shop.money import amount_text

MAX_QUANTITY = 99
MAX_LINES = 50

_KEY = "cart"


class Line(NamedTuple):
    """One product in the cart."""

    product: Product
    quantity: int

    @property
    def total_cents(self) -> int:
        """What the line costs now."""
        return self.product.price_cents * self.quantity

    @property
    def total(self) -> str:
        """What the line costs now, as text."""
        return amount_text(self.total_cents)


class Cart:
    """The cart of one session."""

    def __init__(self, request: HttpRequest) -> None:
        self._session = request.session

    @property
    def quantities(self) -> dict[int, int]:
        """Quantities by product id, in the order they were first added."""
        return {int(key): quantity for key, quantity in self._session.get(_KEY, {}).items()}

    def set(self, product_id: int, quantity: int) -> None:
        """Have `quantity` (cut to 0–99) of a product; 0 removes it. A full cart takes no other product."""
        quantities = self.quantities
        quantity = max(0, min(quantity, MAX_QUANTITY))
        if quantity == 0:
            quantities.pop(product_id, None)
        elif product_id in quantities or len(quantities) < MAX_LINES:
            quantities[product_id] = quantity
        self._session[_KEY] = {str(key): value for key, value in quantities.items()}

    def add(self, product_id: int, quantity: int) -> None:
        """Have `quantity` more of a product."""
        self.set(product_id, self.quantities.get(product_id, 0) + quantity)

    def clear(self) -> None:
        """Empty the cart."""
        self._session.pop(_KEY, None)

    def lines(self) -> list[Line]:
        """What is in the cart; products that are gone from the catalog are left out."""
        quantities = self.quantities
        products = Product.objects.in_bulk(list(quantities))
        return [Line(products[pk], quantity) for pk, quantity in quantities.items() if pk in products]


def total_of(lines: Iterable[Line]) -> str:
    """What the lines cost together, as text."""
    return amount_text(sum(line.total_cents for line in lines))


def cart_size(request: HttpRequest) -> dict[str, Any]:
    """Template context: how many things the cart holds."""
    return {"cart_size": sum(Cart(request).quantities.values()) if hasattr(request, "session") else 0}
