"""What the messages of the orders service say, as a history of each order.

A message may come twice, and after a later one of the same order. So each is an entry of its own, by order and version:
the second time it finds its entry and changes nothing, and the history shows entries only as far as none is missing.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from order_history_service.schema import entries


class MalformedMessage(Exception):
    """It will never be applicable; the message says why."""


@dataclass(frozen=True, slots=True)
class Entry:
    order_id: str
    version: int
    type: str
    number: int | None
    user_id: int
    status: str
    total_cents: int
    occurred_at: datetime


FORMS: dict[str, tuple[type, ...]] = {
    "order_id": (str,),
    "version": (int,),
    "type": (str,),
    "number": (int, type(None)),
    "user_id": (int,),
    "status": (str,),
    "total_cents": (int,),
    "occurred_at": (str,),
}


def read_message(body: bytes | str) -> Entry:
    """Unknown fields are ignored, so that the orders service may add some. Raises `MalformedMessage`."""
    try:
        values: Any = json.loads(body)
        for name, kinds in FORMS.items():
            if type(values[name]) not in kinds:
                raise MalformedMessage(f"{name} is {values[name]!r}")
        moment = datetime.fromisoformat(values["occurred_at"])
    except (ValueError, TypeError, KeyError) as error:
        raise MalformedMessage(f"{type(error).__name__} {error}") from error
    known = {name: values[name] for name in FORMS}
    return Entry(**known | {"occurred_at": moment})


def apply(connection: Connection, entry: Entry) -> bool:
    """Whether the entry is new."""
    # Both dialects have it, under the same names, but not in common.
    insert: Any = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(entries).values(asdict(entry)).on_conflict_do_nothing(index_elements=["order_id", "version"])
    return connection.execute(statement.returning(entries.c.version)).first() is not None


def find_history(connection: Connection, number: int, user_id: int, *, gaps: bool = False) -> list[Entry]:
    """What happened to the user's order, as far as nothing is missing; empty if there is none."""
    owned = sa.select(entries.c.order_id).where(entries.c.number == number, entries.c.user_id == user_id).limit(1)
    rows = sa.select(entries).where(entries.c.order_id == owned.scalar_subquery()).order_by(entries.c.version)
    found = [Entry(*row) for row in connection.execute(rows)]
    if gaps:
        return found
    whole = [entry for version, entry in enumerate(found, 1) if entry.version == version]
    # An order is nobody's to see before the entry that gives it its number.
    return whole if any(entry.number is not None for entry in whole) else []


def shown(number: int, history: list[Entry]) -> dict[str, object]:
    last = history[-1]
    return {
        "order": number,
        "version": last.version,
        "status": last.status,
        "events": [
            {
                "version": entry.version,
                "type": entry.type,
                "occurred_at": entry.occurred_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
            for entry in history
        ],
    }
