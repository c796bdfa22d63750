"""What is asked of the products table. Every function runs in the transaction of its caller."""

from __future__ import annotations

import string
from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from catalog_service.listing import Listing
from catalog_service.products import Product
from catalog_service.schema import categories, products

SHOWN = sa.select(
    products.c.id,
    products.c.sku,
    products.c.name,
    products.c.description,
    categories.c.slug,
    categories.c.name,
    products.c.price_cents,
    products.c.stock,
    products.c.created_at,
).join_from(products, categories)

ORDER_COLUMNS = {
    "id": products.c.id,
    "name": products.c.name,
    "price": products.c.price_cents,
    "created_at": products.c.created_at,
}


def find_product(connection: Connection, product_id: int) -> Product | None:
    row = connection.execute(SHOWN.where(products.c.id == product_id)).one_or_none()
    return None if row is None else Product(*row)


def find_products(connection: Connection, listing: Listing) -> tuple[int, list[Product]]:
    """How many there are, and those of the page."""
    conditions = list(_conditions(listing, connection.dialect.name))
    counted = sa.select(sa.func.count()).select_from(products.join(categories)).where(*conditions)
    count = connection.execute(counted).scalar_one()
    first = (listing.page - 1) * listing.page_size
    if first >= count:
        return count, []
    column = ORDER_COLUMNS[listing.ordering.removeprefix("-")]
    page = (
        SHOWN.where(*conditions)
        .order_by(column.desc() if listing.ordering.startswith("-") else column.asc(), products.c.id)
        .limit(listing.page_size)
        .offset(first)
    )
    return count, [Product(*row) for row in connection.execute(page)]


def _conditions(listing: Listing, dialect: str) -> Iterator[sa.ColumnElement[bool]]:
    if listing.category is not None:
        # PostgreSQL has no texts with U+0000, nor therefore a category of that name.
        yield sa.false() if "\0" in listing.category else categories.c.slug == listing.category
    if listing.text is not None:
        yield sa.or_(
            _contains(products.c.name, listing.text, dialect),
            _contains(products.c.description, listing.text, dialect),
        )
    if listing.min_price is not None:
        yield products.c.price_cents >= listing.min_price
    if listing.max_price is not None:
        yield products.c.price_cents <= listing.max_price
    if listing.in_stock is not None:
        yield products.c.stock > 0 if listing.in_stock else products.c.stock == 0


def _contains(column: sa.Column[str], text: str, dialect: str) -> sa.ColumnElement[bool]:
    """Whether the text occurs, A-Z in any case, everything else exactly."""
    wanted = text.translate(str.maketrans(string.ascii_uppercase, string.ascii_lowercase))
    if dialect == "postgresql":
        # Its `lower` goes by the database's locale.
        lowered = sa.func.translate(column, string.ascii_uppercase, string.ascii_lowercase)
        return sa.func.strpos(lowered, wanted) > 0
    # SQLite's `lower` knows A-Z only.
    return sa.func.instr(sa.func.lower(column), wanted) > 0
