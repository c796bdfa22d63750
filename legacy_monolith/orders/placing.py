"""Placing and cancelling orders: the only code that takes and returns stock."""

from collections.abc import Mapping

from django.db import transaction
from django.db.models import F

from accounts.models import User
from catalog.models import Product
from orders.models import Order, OrderItem


class UnknownProduct(Exception):
    """There is no product `product_id`."""

    def __init__(self, product_id: int) -> None:
        super().__init__(f"there is no product {product_id}")
        self.product_id = product_id


class OutOfStock(Exception):
    """There is less than was wanted; `left` says how much, by product id, in the order they were asked."""

    def __init__(self, left: Mapping[int, int]) -> None:
        super().__init__("not enough stock")
        self.left = left


@transaction.atomic
def place_order(user: User, quantities: Mapping[int, int]) -> Order:
    """Take the stock and make the order, all or nothing.

    `quantities` maps product ids to how many of each, at least one. Raises UnknownProduct or OutOfStock,
    and then nothing has changed.
    """
    # Locked in the order of their ids, so that two orders of the same products can't wait for each other.
    rows = Product.objects.select_for_update().filter(pk__in=quantities).order_by("pk")
    products = {product.pk: product for product in rows}
    for product_id in quantities:
        if product_id not in products:
            raise UnknownProduct(product_id)
    left = {pk: products[pk].stock for pk, quantity in quantities.items() if products[pk].stock < quantity}
    if left:
        raise OutOfStock(left)
    for product_id in products:
        quantity = quantities[product_id]
        # The condition holds by itself where the database has no row locks (SQLite).
        taken = Product.objects.filter(pk=product_id, stock__gte=quantity).update(stock=F("stock") - quantity)
        if not taken:
            raise OutOfStock({product_id: Product.objects.get(pk=product_id).stock})
    order = Order.objects.create(
        user=user,
        total_cents=sum(products[pk].price_cents * quantity for pk, quantity in quantities.items()),
    )
    OrderItem.objects.bulk_create(
        OrderItem(
            order=order,
            product=products[pk],
            sku=products[pk].sku,
            name=products[pk].name,
            quantity=quantity,
            unit_price_cents=products[pk].price_cents,
        )
        for pk, quantity in quantities.items()
    )
    return order


@transaction.atomic
def cancel_order(order: Order) -> bool:
    """Cancel a pending order and return its stock; False (and no change) if it was not pending."""
    changed = Order.objects.filter(pk=order.pk, status=Order.Status.PENDING).update(
        status=Order.Status.CANCELLED
    )
    if not changed:
        return False
    for item in order.items.order_by("product_id"):
        Product.objects.filter(pk=item.product_id).update(stock=F("stock") + item.quantity)
    order.refresh_from_db()
    return True
