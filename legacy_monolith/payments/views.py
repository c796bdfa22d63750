"""The page action that pays an order."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from orders.models import Order
from payments.charging import NotPayable, pay_order


@login_required
@require_POST
def pay(request: HttpRequest, order_id: int) -> HttpResponse:
    """Pay one of one's own orders."""
    if order_id >= 2**63:  # more than the database can compare
        order_id = 0
    order = get_object_or_404(Order, pk=order_id, user_id=request.user.pk)
    try:
        pay_order(order)
        messages.success(request, "Your order is paid.")
    except NotPayable:
        messages.error(request, "This order can't be paid.")
    return redirect("order", order_id=order_id)
