"""The routes that this service has taken over, and two for its operators."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

import structlog
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request

from orders_service import bug
from orders_service import saga as states
from orders_service.answer import (
    Answer,
    ApiError,
    invalid,
    not_found,
    not_payable,
    out_of_stock,
    payment_declined,
    unavailable,
)
from orders_service.authentication import Authentication
from orders_service.body import read_object
from orders_service.database import Database
from orders_service.event_store import load
from orders_service.events import OrderPlaced
from orders_service.keys import Keys
from orders_service.listing import PATH, envelope, read_listing
from orders_service.migrate import is_migrated
from orders_service.order import Order
from orders_service.products import Products, UnknownProduct
from orders_service.quantities import read_quantities
from orders_service.query import read_query
from orders_service.read_model import find, find_page
from orders_service.resource import Resource
from orders_service.sagas import Sagas
from orders_service.service_client import ServiceUnavailable

ID = "[1-9][0-9]{0,17}"
METHOD = "card"
"""What is charged if a payment names nothing else; the monolith ignores what it gets."""


class OrdersApi:
    """Placing, paying and showing orders, each to its own user."""

    def __init__(
        self,
        authenticate: Authentication,
        database: Database,
        products: Products,
        sagas: Sagas,
        deliberate_bug: str = "",
    ) -> None:
        self._authenticate = authenticate
        self._database = database
        self._products = products
        self._sagas = sagas
        self._bug = deliberate_bug

    def resources(self) -> list[Resource]:
        return [
            Resource(PATH, {"GET": self.list_orders, "POST": self.place}),
            Resource(f"{PATH}/(?P<id>{ID})", {"GET": self.show_order}),
            Resource(f"{PATH}/(?P<id>{ID})/pay", {"POST": self.pay}),
        ]

    async def list_orders(self, request: Request) -> Answer:
        user_id = await self._authenticate.user(request)
        listing, problems = read_listing(read_query(request.scope["query_string"]))
        if problems:
            raise invalid(problems)
        work = partial(find_page, user_id=user_id, listing=bug.asked(self._bug, listing))
        count, found = await self._database.read(work)
        return Answer(200, envelope(listing, count, [bug.shown(self._bug, order) for order in found]))

    async def show_order(self, request: Request) -> Answer:
        user_id = await self._authenticate.user(request)
        return Answer(200, bug.shown(self._bug, await self._own(request, user_id)))

    async def place(self, request: Request) -> Answer:
        user_id = await self._authenticate.user(request)
        quantities = read_quantities(await read_object(request))
        try:
            items, source = await self._products.items(quantities)
        except UnknownProduct as error:
            raise invalid({"items": str(error)}) from None
        except ServiceUnavailable:
            raise unavailable() from None
        saga = await self._sagas.place(OrderPlaced(user_id, items, datetime.now(UTC), prices_from=source))
        order = await self._database.read(partial(load, order_id=saga.id))
        if order.number is None:
            raise refusal(order)
        return Answer(201, bug.shown(self._bug, order), {"Location": f"{PATH}/{order.number}"})

    async def pay(self, request: Request) -> Answer:
        """202 if the outcome is not known yet: the order is pending still, and being paid."""
        user_id = await self._authenticate.user(request)
        order = await self._own(request, user_id)
        saga = await self._sagas.pay(order.id, await read_method(request))
        if saga is None:
            raise not_payable()
        order = await self._database.read(partial(load, order_id=saga.id))
        if saga.state in (states.RELEASING, states.CANCELLED):
            raise payment_declined() if order.reason == "payment_declined" else not_payable()
        return Answer(202 if order.paid_at is None else 200, bug.shown(self._bug, order))

    async def _own(self, request: Request, user_id: int) -> Order:
        found = await self._database.read(partial(find, number=int(request.path_params["id"]), user_id=user_id))
        if found is None:
            raise not_found()
        return found


def refusal(order: Order) -> ApiError:
    """Why an order that was placed came to nothing."""
    if order.reason == "out_of_stock":
        return out_of_stock(dict(order.fields))
    if order.reason == "invalid":
        return invalid(dict(order.fields))
    return unavailable()


async def read_method(request: Request) -> str:
    """The means of payment that a body may name. Any other body is ignored, as the monolith does with all."""
    try:
        method = (await read_object(request)).get("method")
    except ApiError:
        return METHOD
    return method if isinstance(method, str) and 1 <= len(method) <= 64 and method.isascii() else METHOD


class HealthApi:
    """`/healthz`: the process runs. `/readyz`: it can do its work, or what keeps it from that."""

    def __init__(self, database: Database, keys: Keys) -> None:
        self._database = database
        self._keys = keys

    def resources(self) -> list[Resource]:
        return [
            Resource("/healthz", {"GET": self.live}),
            Resource("/readyz", {"GET": self.ready}),
        ]

    async def live(self, request: Request) -> Answer:
        return Answer(200, {"status": "ok"})

    async def ready(self, request: Request) -> Answer:
        checks = {
            "database": await self._check_database(),
            "keys": "ok" if self._keys.ready else "none fetched yet",
        }
        ready = all(state == "ok" for state in checks.values())
        return Answer(200 if ready else 503, {"status": "ok" if ready else "unavailable", "checks": checks})

    async def _check_database(self) -> str:
        try:
            migrated = await self._database.read(is_migrated)
        except SQLAlchemyError as error:
            structlog.get_logger(__name__).warning("database not reachable", reason=str(error))
            return "not reachable"
        return "ok" if migrated else "not migrated"
