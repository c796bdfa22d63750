"""What the catalog says of products: asked each time, remembered for when it does not respond."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from orders_service.database import Database
from orders_service.events import Item
from orders_service.schema import known_products
from orders_service.service_client import ServiceClient, ServiceUnavailable

AT_ONCE = 10

log = structlog.get_logger(__name__)


class Product(NamedTuple):
    id: int
    sku: str
    name: str
    price_cents: int


class UnknownProduct(Exception):
    """There is no product `product_id`."""

    def __init__(self, product_id: int) -> None:
        super().__init__(f"there is no product {product_id}")


class Products:
    def __init__(self, database: Database, catalog: ServiceClient) -> None:
        self._database = database
        self._catalog = catalog
        self._places = asyncio.Semaphore(AT_ONCE)

    async def items(self, quantities: Mapping[int, int]) -> tuple[tuple[Item, ...], str]:
        """The lines of an order, and where their prices are from: `catalog`, or `memory` while it does not respond.

        Raises `UnknownProduct` for the first that is not in the catalog, and `ServiceUnavailable` if the catalog does
        not respond and one of the products was never seen.
        """
        try:
            asked = await asyncio.gather(*map(self._ask, quantities))
        except ServiceUnavailable as error:
            known = await self._database.read(partial(_recall, ids=list(quantities)))
            if len(known) < len(quantities):
                raise
            log.warning("prices from memory", reason=str(error))
            return _lines(quantities, known), "memory"
        found = dict(zip(quantities, asked, strict=True))
        products = {product_id: product for product_id, product in found.items() if product is not None}
        for product_id in quantities:
            if product_id not in products:
                raise UnknownProduct(product_id)
        await self._database.write(partial(_remember, products=list(products.values())))
        return _lines(quantities, products), "catalog"

    async def _ask(self, product_id: int) -> Product | None:
        if product_id <= 0:
            return None  # no product has such an id, nor the catalog a path for it
        async with self._places:
            response = await self._catalog.send("GET", f"/api/catalog/products/{product_id}")
        if response.status_code == 404:
            return None
        if response.status_code != 200:
            raise ServiceUnavailable(f"catalog: status {response.status_code}")
        values = response.json()
        return Product(values["id"], values["sku"], values["name"], int(values["price"].replace(".", "")))


def _lines(quantities: Mapping[int, int], products: Mapping[int, Product]) -> tuple[Item, ...]:
    return tuple(
        Item(
            product_id, products[product_id].sku, products[product_id].name, quantity, products[product_id].price_cents
        )
        for product_id, quantity in quantities.items()
    )


def _recall(connection: Connection, ids: list[int]) -> dict[int, Product]:
    columns = (known_products.c.id, known_products.c.sku, known_products.c.name, known_products.c.price_cents)
    rows = connection.execute(sa.select(*columns).where(known_products.c.id.in_(ids)))
    return {row.id: Product(*row) for row in rows}


def _remember(connection: Connection, products: list[Product]) -> None:
    # Both dialects have it, under the same names, but not in common.
    insert: Any = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(known_products)
    changes = {name: statement.excluded[name] for name in ("sku", "name", "price_cents", "seen_at")}
    now = datetime.now(UTC)
    # In the order of their ids, so that two that remember the same products don't wait for each other.
    rows = [product._asdict() | {"seen_at": now} for product in sorted(products)]
    connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=changes), rows)
