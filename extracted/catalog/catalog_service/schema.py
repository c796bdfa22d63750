"""The tables as the code sees them; `migrations/` makes them."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Dialect


class UtcDateTime(sa.TypeDecorator[datetime]):
    """A moment, aware in Python and UTC in the database, to the microsecond.

    PostgreSQL keeps the zone with it; SQLite has only text, so there it is written without one.
    """

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = sa.MetaData()

# Nothing is declared unique but the ids: that is the monolith's to keep as long as it owns the products,
# and two of them that swapped names between two fills must not stop the second.
categories = sa.Table(
    "categories",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("slug", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
)

products = sa.Table(
    "products",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("sku", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("category_id", sa.BigInteger, sa.ForeignKey("categories.id"), nullable=False),
    sa.Column("price_cents", sa.BigInteger, nullable=False),
    sa.Column("stock", sa.BigInteger, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
)
