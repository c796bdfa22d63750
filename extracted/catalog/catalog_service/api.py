"""The routes that this service has taken over, and its own two for whoever operates it."""

from __future__ import annotations

from functools import partial

import structlog
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request

from catalog_service import bug
from catalog_service.answer import Answer, TaggedAnswer, invalid, not_found
from catalog_service.database import Database
from catalog_service.listing import envelope, read_listing
from catalog_service.migrate import is_migrated
from catalog_service.query import read_query
from catalog_service.resource import Resource
from catalog_service.store import find_product, find_products

PRODUCTS = "/api/catalog/products"


class CatalogApi:
    """Finding products, and showing one. Open to all: no token is asked for, none is looked at."""

    def __init__(self, database: Database, deliberate_bug: str = "") -> None:
        self._database = database
        self._bug = deliberate_bug

    def resources(self) -> list[Resource]:
        return [
            Resource(PRODUCTS, {"GET": self.list_products}),
            Resource(f"{PRODUCTS}/(?P<id>[1-9][0-9]{{0,17}})", {"GET": self.show_product}),
        ]

    async def list_products(self, request: Request) -> TaggedAnswer:
        listing, problems = read_listing(read_query(request.scope["query_string"]))
        if problems:
            raise invalid(problems)
        looked_for = bug.asked(self._bug, listing)
        count, products = await self._database.read(partial(find_products, listing=looked_for))
        shown = [bug.shown(self._bug, product) for product in products]
        return TaggedAnswer(envelope(PRODUCTS, listing, count, shown))

    async def show_product(self, request: Request) -> TaggedAnswer:
        product_id = int(request.path_params["id"])
        product = await self._database.read(partial(find_product, product_id=product_id))
        if product is None:
            raise not_found()
        return TaggedAnswer(bug.shown(self._bug, product))


class HealthApi:
    """`/healthz`: the process runs. `/readyz`: it can do its work, or what keeps it from that."""

    def __init__(self, database: Database) -> None:
        self._database = database

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
