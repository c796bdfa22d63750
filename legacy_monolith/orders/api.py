"""The order routes of the API. They need a token, and show its user's orders only."""

from typing import Any

from django.http import HttpRequest, HttpResponse

from accounts import tokens
from accounts.models import User
from orders.models import Order
from orders.placing import OutOfStock, UnknownProduct, place_order
from shop.api.pagination import Page
from shop.api.requests import Query, json_object
from shop.api.responses import ApiError, json_response, timestamp
from shop.money import CURRENCY

PATH = "/api/orders"
MAX_ITEMS = 50
MAX_QUANTITY = 99


def represent(order: Order) -> dict[str, Any]:
    """An order as the API shows one."""
    return {
        "id": order.pk,
        "status": order.status,
        "total": order.total,
        "currency": CURRENCY,
        "items": [
            {
                "product_id": item.product_id,
                "sku": item.sku,
                "name": item.name,
                "quantity": item.quantity,
                "unit_price": item.unit_price,
                "line_total": item.line_total,
            }
            for item in order.items.all()
        ],
        "created_at": timestamp(order.created_at),
        "paid_at": None if order.paid_at is None else timestamp(order.paid_at),
    }


def own_order(user: User, order_id: int) -> Order:
    """The user's order; ApiError 404 if there is none or it is somebody else's."""
    order = Order.objects.prefetch_related("items").filter(pk=order_id, user=user).first()
    if order is None:
        raise ApiError("not_found")
    return order


def list_orders(request: HttpRequest) -> HttpResponse:
    """A page of one's orders, newest first."""
    user = tokens.authenticate(request)
    query = Query(request)
    status = query.text("status")
    if status is not None and status not in Order.Status.values:
        query.refuse("status", f"must be one of {', '.join(Order.Status.values)}")
    page = Page(PATH, query)
    query.check()
    orders = Order.objects.filter(user=user).prefetch_related("items").order_by("-id")
    if status is not None:
        orders = orders.filter(status=status)
    return json_response(page.of(orders, represent))


def add_order(request: HttpRequest) -> HttpResponse:
    """Place an order."""
    user = tokens.authenticate(request)
    quantities = _quantities(json_object(request).get("items"))
    try:
        order = place_order(user, quantities)
    except UnknownProduct as error:
        raise ApiError("invalid", {"items": str(error)}) from None
    except OutOfStock as error:
        fields = {str(product_id): f"only {left} left" for product_id, left in error.left.items()}
        raise ApiError("out_of_stock", fields) from None
    return json_response(represent(order), status=201, headers={"Location": f"{PATH}/{order.pk}"})


def show_order(request: HttpRequest, id: int) -> HttpResponse:
    """One of one's orders."""
    return json_response(represent(own_order(tokens.authenticate(request), id)))


def _quantities(items: object) -> dict[int, int]:
    quantities: dict[int, int] = {}
    if isinstance(items, list) and 1 <= len(items) <= MAX_ITEMS:
        for item in items:
            product_id, quantity = _product_and_quantity(item)
            if product_id is None or quantity is None or product_id in quantities:
                break
            quantities[product_id] = quantity
        else:
            return quantities
    raise ApiError(
        "invalid",
        {
            "items": f"must be 1 to {MAX_ITEMS} objects with product_id and quantity 1 to {MAX_QUANTITY}, "
            "each product once"
        },
    )


def _product_and_quantity(item: object) -> tuple[int | None, int | None]:
    if not isinstance(item, dict):
        return None, None
    product_id, quantity = item.get("product_id"), item.get("quantity")
    # `type` and not isinstance: true and false are int to Python, not to JSON.
    if type(product_id) is not int or type(quantity) is not int or not 1 <= quantity <= MAX_QUANTITY:
        return None, None
    # An id beyond 18 digits names nothing, and would not fit the database's integers.
    return (product_id, quantity) if abs(product_id) < 10**18 else (None, None)
