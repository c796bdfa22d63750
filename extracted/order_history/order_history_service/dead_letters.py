"""Messages that could not be applied: kept with their error, to look at and to apply again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine

from order_history_service.projection import MalformedMessage, apply, read_message
from order_history_service.schema import dead_letters

LONGEST_ERROR = 500


class DeadLetter(NamedTuple):
    id: str
    body: str
    error: str
    received_at: datetime


def bury(connection: Connection, message_id: str, body: str, error: str) -> None:
    """Keep the message; one that is kept already stays as it is."""
    # Both dialects have it, under the same names, but not in common.
    insert: Any = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    letter = DeadLetter(message_id, body, error[:LONGEST_ERROR], datetime.now(UTC))
    statement = insert(dead_letters).values(letter._asdict())
    connection.execute(statement.on_conflict_do_nothing(index_elements=["id"]))


def find_dead_letters(connection: Connection) -> list[DeadLetter]:
    rows = connection.execute(sa.select(dead_letters).order_by(dead_letters.c.received_at))
    return [DeadLetter(*row) for row in rows]


def redrive(engine: Engine) -> tuple[int, int]:
    """How many were applied, and how many still can't be. Each is applied and dropped in one transaction."""
    with engine.connect() as connection:
        letters = find_dead_letters(connection)
    applied = 0
    for letter in letters:
        try:
            entry = read_message(letter.body)
        except MalformedMessage:
            continue
        with engine.connect().execution_options(writes=True) as connection, connection.begin():
            apply(connection, entry)
            connection.execute(sa.delete(dead_letters).where(dead_letters.c.id == letter.id))
        applied += 1
    return applied, len(letters) - applied
