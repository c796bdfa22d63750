"""Pages of the cart and of orders."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.models import User
from catalog.models import Product
from orders.cart import Cart, total_of
from orders.models import Order
from orders.placing import OutOfStock, UnknownProduct, place_order


@never_cache
@require_safe
def cart(request: HttpRequest) -> HttpResponse:
    """What is in the cart."""
    lines = Cart(request).lines()
    return render(request, "orders/cart.html", {"lines": lines, "total": total_of(lines)})


@require_POST
def add_to_cart(request: HttpRequest) -> HttpResponse:
    """Put a product into the cart."""
    product = get_object_or_404(Product, pk=_number(request, "product", 0))
    Cart(request).add(product.pk, max(1, _number(request, "quantity", 1)))
    messages.success(request, f"{product.name} is in your cart.")
    return redirect("cart")


@require_POST
def update_cart(request: HttpRequest) -> HttpResponse:
    """Change how many of a product the cart holds; 0 takes it out."""
    Cart(request).set(_number(request, "product", 0), _number(request, "quantity", 0))
    return redirect("cart")


@login_required
@require_POST
def checkout(request: HttpRequest) -> HttpResponse:
    """Make an order of the cart."""
    assert isinstance(request.user, User)
    content = Cart(request)
    quantities = content.quantities
    if not quantities:
        messages.error(request, "Your cart is empty.")
        return redirect("cart")
    try:
        placed = place_order(request.user, quantities)
    except UnknownProduct as error:
        content.set(error.product_id, 0)
        messages.error(request, "Something in your cart is not sold any more; we took it out.")
        return redirect("cart")
    except OutOfStock as error:
        names = Product.objects.in_bulk(list(error.left))
        for product_id, left in error.left.items():
            messages.error(request, f"{names[product_id].name}: only {left} left.")
        return redirect("cart")
    content.clear()
    messages.success(request, "Thank you for your order.")
    return redirect("order", order_id=placed.pk)


@never_cache
@login_required
@require_safe
def order(request: HttpRequest, order_id: int) -> HttpResponse:
    """One of one's own orders."""
    if order_id >= 2**63:  # more than the database can compare
        order_id = 0
    found = get_object_or_404(Order.objects.prefetch_related("items"), pk=order_id, user_id=request.user.pk)
    return render(request, "orders/order.html", {"order": found})


def _number(request: HttpRequest, name: str, default: int) -> int:
    value = request.POST.get(name, "")
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 18 else default
