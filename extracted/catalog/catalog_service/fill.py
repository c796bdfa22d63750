"""Copying the monolith's catalog into this service's database.

Can be repeated: afterwards the same categories and products are there as in the monolith, whatever was
there before. The service itself changes nothing, so nothing can get lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine

from catalog_service.schema import categories, products

BATCH = 1000

Row = Mapping[Any, Any]


class FillError(Exception):
    """The monolith's database was not copied; the message says why. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class Filled:
    """What a fill did: rows copied, and rows removed because the monolith has them no more."""

    categories: int
    products: int
    removed: int


def fill(source: Engine, target: Engine) -> Filled:
    """Copy in one transaction on either side, so that products and categories fit each other.

    Raises `FillError` if the monolith has no product at all: that is a wrong address, not a shop.
    """
    isolation = {} if source.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
    with (
        source.connect().execution_options(**isolation) as reading,
        target.connect().execution_options(writes=True) as writing,
        writing.begin(),
    ):
        category_rows = _read(reading, "catalog_category", ("id", "slug", "name"), dict)
        category_ids = _upsert(writing, categories, category_rows)
        product_rows = _read(
            reading,
            "catalog_product",
            ("id", "sku", "name", "description", "category_id", "price_cents", "stock", "created_at"),
            lambda row: dict(row) | {"created_at": read_moment(row["created_at"])},
        )
        product_ids = _upsert(writing, products, product_rows)
        if not product_ids:
            raise FillError("the monolith's database has no products")
        removed = _keep_only(writing, products, product_ids) + _keep_only(writing, categories, category_ids)
        return Filled(len(category_ids), len(product_ids), removed)


def _read(
    connection: Connection, table: str, columns: tuple[str, ...], convert: Callable[[Row], dict[str, Any]]
) -> Iterator[list[dict[str, Any]]]:
    # Names only: types are read from what comes, since the monolith's may be of either database.
    rows = sa.select(sa.table(table, *map(sa.column, columns)))
    result = connection.execution_options(yield_per=BATCH).execute(rows).mappings()
    for partition in result.partitions():
        yield [convert(row) for row in partition]


def read_moment(value: str | datetime) -> datetime:
    """A moment as the monolith keeps it: PostgreSQL has a type for it, SQLite a text in UTC."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _upsert(connection: Connection, table: sa.Table, batches: Iterator[list[dict[str, Any]]]) -> set[int]:
    """Put the rows in, or in the place of those with the same id; returns the ids."""
    # Both dialects have it, under the same names, but not in common.
    insert: Any = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(table)
    changes = {column.name: statement.excluded[column.name] for column in table.c if column.name != "id"}
    statement = statement.on_conflict_do_update(index_elements=["id"], set_=changes)
    ids: set[int] = set()
    for batch in batches:
        connection.execute(statement, batch)
        ids.update(row["id"] for row in batch)
    return ids


def _keep_only(connection: Connection, table: sa.Table, ids: set[int]) -> int:
    """Delete all other rows; returns how many."""
    gone = sorted(set(connection.execute(sa.select(table.c.id)).scalars()) - ids)
    for start in range(0, len(gone), BATCH):
        connection.execute(sa.delete(table).where(table.c.id.in_(gone[start : start + BATCH])))
    return len(gone)
