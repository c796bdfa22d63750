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

stock = sa.Table(
    "stock",
    metadata,
    sa.Column("product_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("available", sa.BigInteger, nullable=False),
    # What reservations hold that are neither committed nor released.
    sa.Column("reserved", sa.BigInteger, nullable=False),
    # When a reservation last changed it; `fill` leaves such stock alone.
    sa.Column("changed_at", UtcDateTime, nullable=True),
)

reservations = sa.Table(
    "reservations",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("changed_at", UtcDateTime, nullable=False),
)

reserved_items = sa.Table(
    "reserved_items",
    metadata,
    sa.Column("key", sa.Text, sa.ForeignKey("reservations.key"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("product_id", sa.BigInteger, nullable=False),
    sa.Column("quantity", sa.Integer, nullable=False),
)
