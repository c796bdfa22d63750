"""The pairs that are stored as examples, as `strangler shadow show` and `rejudge` read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.engine import Connection

from strangler.shadow.evidence.store import SELF_TEST
from strangler.shadow.evidence.tables import pairs
from strangler.store.database import Database


def stored_pair(database: Database, number: int) -> Mapping[str, Any] | None:
    """The stored pair of that number, its document beside what is known of it. Raises StoreError."""

    def read(connection: Connection) -> Mapping[str, Any] | None:
        row = connection.execute(select(pairs).where(pairs.c.id == number)).mappings().first()
        return None if row is None else _plain(row)

    return database.read(read)


def stored_pairs(database: Database, migration: str) -> list[Mapping[str, Any]]:
    """All stored pairs of a migration's traffic, the oldest first. Raises StoreError."""

    def read(connection: Connection) -> list[Mapping[str, Any]]:
        query = select(pairs).where(pairs.c.migration == migration, pairs.c.epoch != SELF_TEST).order_by(pairs.c.id)
        return [_plain(row) for row in connection.execute(query).mappings()]

    return database.read(read)


def _plain(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row of pairs with its document opened."""
    document = orjson.loads(row["document"])
    return {**{str(name): value for name, value in row.items() if name != "document"}, **document}
