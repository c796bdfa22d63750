"""What is asked of the users table. Every function runs in the transaction of its caller."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from users_service.schema import users
from users_service.users import User

SHOWN = (
    users.c.id,
    users.c.name,
    users.c.full_name,
    users.c.email,
    users.c.is_staff,
    users.c.is_active,
    users.c.created_at,
)


def find_user(connection: Connection, user_id: int) -> User | None:
    row = connection.execute(sa.select(*SHOWN).where(users.c.id == user_id)).one_or_none()
    return None if row is None else User(*row)


def change_profile(connection: Connection, user_id: int, changes: Mapping[str, str]) -> User | None:
    """Set some of the user's columns; None if there is no such user any more."""
    if changes:
        connection.execute(
            sa.update(users).where(users.c.id == user_id).values(**changes, profile_changed_at=datetime.now(UTC))
        )
    return find_user(connection, user_id)
