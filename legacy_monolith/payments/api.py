"""The payment route of the API."""

from django.http import HttpRequest, HttpResponse

from accounts import tokens
from orders.api import own_order, represent
from payments import charging
from shop.api.responses import ApiError, json_response


def pay_order(request: HttpRequest, id: int) -> HttpResponse:
    """Pay one of one's orders."""
    order = own_order(tokens.authenticate(request), id)
    try:
        charging.pay_order(order)
    except charging.NotPayable:
        raise ApiError("not_payable") from None
    return json_response(represent(order))
