"""Copying the monolith's users into this service's database.

Can be repeated: afterwards the same users are there as in the monolith, whatever was there before. Only
a name or address that was changed *here* stays, for of such a change the monolith knows nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine

from users_service.schema import users

BATCH = 1000

# Names only: types are read from what comes, since the monolith's may be of either database.
accounts = sa.table(
    "accounts_user",
    *map(
        sa.column,
        ("id", "username", "full_name", "email", "is_staff", "is_active", "date_joined"),
    ),
)


class FillError(Exception):
    """The monolith's database was not copied; the message says why. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class Filled:
    """What a fill did: users copied, and users removed because the monolith has them no more."""

    copied: int
    removed: int


def fill(source: Engine, target: Engine, *, overwrite: bool = False) -> Filled:
    """Copy in one transaction on either side. With `overwrite`, changes made here are lost as well.

    Raises `FillError` if the monolith has no user at all: that is a wrong address, not a shop.
    """
    with (
        source.connect() as reading,
        target.connect().execution_options(writes=True) as writing,
        writing.begin(),
    ):
        gone = set(writing.execute(sa.select(users.c.id)).scalars())
        copied = 0
        for batch in _batches(reading):
            writing.execute(_upsert(writing, overwrite), batch)
            gone.difference_update(row["id"] for row in batch)
            copied += len(batch)
        if not copied:
            raise FillError("the monolith's database has no users")
        for some in _slices(sorted(gone)):
            writing.execute(sa.delete(users).where(users.c.id.in_(some)))
        return Filled(copied, len(gone))


def _batches(connection: Connection) -> Iterator[list[dict[str, Any]]]:
    rows = connection.execution_options(yield_per=BATCH).execute(sa.select(accounts)).mappings()
    for partition in rows.partitions():
        yield [_converted(row) for row in partition]


def _converted(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        "id": row["id"],
        "name": row["username"],
        "full_name": row["full_name"],
        "email": row["email"],
        "is_staff": bool(row["is_staff"]),
        "is_active": bool(row["is_active"]),
        "created_at": read_moment(row["date_joined"]),
    }


def read_moment(value: str | datetime) -> datetime:
    """A moment as the monolith keeps it: PostgreSQL has a type for it, SQLite a text in UTC."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _upsert(connection: Connection, overwrite: bool) -> sa.Insert:
    # Both dialects have it, under the same names, but not in common.
    insert: Any = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(users)
    new = statement.excluded
    changes: dict[str, Any] = {
        name: new[name] for name in ("name", "full_name", "email", "is_staff", "is_active", "created_at")
    }
    if overwrite:
        changes["profile_changed_at"] = None
    else:
        for name in ("full_name", "email"):
            changed_here = users.c.profile_changed_at.is_not(None)
            changes[name] = sa.case((changed_here, users.c[name]), else_=new[name])
    updated: sa.Insert = statement.on_conflict_do_update(index_elements=["id"], set_=changes)
    return updated


def _slices(ids: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(ids), BATCH):
        yield ids[start : start + BATCH]
