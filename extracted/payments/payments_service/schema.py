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

charges = sa.Table(
    "charges",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("amount_cents", sa.BigInteger, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("method", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    # The provider's own id of the charge, once it has confirmed one.
    sa.Column("provider_id", sa.Text, nullable=True),
    sa.Column("attempts", sa.Integer, nullable=False),
    # When to ask the provider again; null in a final state.
    sa.Column("next_attempt_at", UtcDateTime, nullable=True),
    # Until when one process alone talks to the provider about it, where the leases are in the database.
    sa.Column("leased_until", UtcDateTime, nullable=True),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("changed_at", UtcDateTime, nullable=False),
)

webhooks = sa.Table(
    "webhooks",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("received_at", UtcDateTime, nullable=False),
)
