"""The saga's steps as requests to inventory and payments, and what their responses mean."""

from __future__ import annotations

from typing import Any

import httpx

from orders_service.order import Order
from orders_service.saga import Done, Outcome, Refused, Unknown
from orders_service.service_client import ServiceClient, ServiceUnavailable


class Steps:
    """Each under the order's id, so that it is taken once."""

    def __init__(self, inventory: ServiceClient, payments: ServiceClient) -> None:
        self._inventory = inventory
        self._payments = payments

    async def reserve(self, order: Order) -> Outcome:
        items = [{"product_id": item.product_id, "quantity": item.quantity} for item in order.items]
        return await _outcome(self._inventory, "PUT", f"/reservations/{order.id}", {"items": items})

    async def commit(self, order: Order) -> Outcome:
        return await _outcome(self._inventory, "POST", f"/reservations/{order.id}/commit")

    async def release(self, order: Order) -> Outcome:
        return await _outcome(self._inventory, "POST", f"/reservations/{order.id}/release")

    async def charge(self, order: Order) -> Outcome:
        if order.total_cents == 0:
            return Done()  # nothing to pay
        content = {"amount_cents": order.total_cents, "currency": "EUR", "method": order.method}
        return await _outcome(self._payments, "PUT", f"/charges/{order.id}", content)

    async def refund(self, order: Order) -> Outcome:
        return await _outcome(self._payments, "POST", f"/charges/{order.id}/refund")


async def _outcome(client: ServiceClient, method: str, path: str, content: dict[str, Any] | None = None) -> Outcome:
    try:
        response = await client.send(method, path, content)
    except ServiceUnavailable as error:
        return Unknown(str(error))
    return meaning(response)


def meaning(response: httpx.Response) -> Outcome:
    values = response.json()
    if response.status_code == 202:
        return Unknown(f"{values['status']} at the payment provider")
    if response.status_code < 300:
        return Refused("payment_declined") if values["status"] == "declined" and _is_charge(response) else Done()
    if response.status_code in (400, 404, 409):
        return Refused(values["error"]["code"], values["error"].get("fields", {}))
    # A token that is not accepted, for one: to be put right, after which the step can be repeated.
    return Unknown(f"{response.request.url.path}: status {response.status_code}")


def _is_charge(response: httpx.Response) -> bool:
    """And no refund, whose charge may have been declined: then there was nothing to give back."""
    return response.request.method == "PUT"
