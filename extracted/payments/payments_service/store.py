"""What is asked of the tables. Every function runs in the transaction of its caller, and is idempotent by key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from payments_service.charges import (
    CHARGED,
    DECLINED,
    PENDING,
    REFUNDED,
    REFUNDING,
    UNSETTLED,
    VOIDED,
    Charge,
    Wanted,
    already,
    key_reused,
)
from payments_service.schema import charges, webhooks

LONGEST_WAIT = timedelta(seconds=60)
"""Between two attempts to learn how an unsettled charge ended."""

WEBHOOKS_KEPT = timedelta(days=30)
"""Longer than a provider repeats one."""

NOTHING = Wanted(0, "EUR", "none")


def find_charge(connection: Connection, key: str) -> Charge | None:
    row = connection.execute(sa.select(charges).where(charges.c.key == key)).one_or_none()
    if row is None:
        return None
    wanted = Wanted(row.amount_cents, row.currency, row.method)
    return Charge(row.key, wanted, row.status, row.provider_id, row.attempts, row.created_at, row.changed_at)


def begin_charge(connection: Connection, key: str, wanted: Wanted) -> tuple[Charge, bool]:
    """The charge of the key, before the provider hears of it; and whether it is new.

    Raises the `ApiError` for a key that is of another charge, refunded or voided.
    """
    if _insert(connection, key, wanted, PENDING):
        return existing(connection, key), True
    found = existing(connection, key)
    if found.status in (REFUNDING, REFUNDED, VOIDED):
        raise already(found.status)
    if found.wanted != wanted:
        raise key_reused()
    return found, False


def begin_refund(connection: Connection, key: str) -> Charge:
    """Note that the money is to be given back; from now on the key takes none."""
    if not _insert(connection, key, NOTHING, VOIDED):
        found = existing(connection, key)
        if found.status in (PENDING, CHARGED):
            _set(connection, key, status=REFUNDING, attempts=0, next_attempt_at=datetime.now(UTC))
    return existing(connection, key)


def confirm_charge(connection: Connection, key: str, provider_id: str) -> Charge:
    """The provider has taken the money."""
    found = existing(connection, key)
    if found.status == PENDING:
        _set(connection, key, status=CHARGED, provider_id=provider_id, next_attempt_at=None)
    elif found.status == REFUNDING and found.provider_id is None:
        _set(connection, key, provider_id=provider_id)
    return existing(connection, key)


def decline_charge(connection: Connection, key: str) -> Charge:
    """The provider has refused, finally."""
    found = existing(connection, key)
    if found.status in UNSETTLED and found.provider_id is None:
        status = DECLINED if found.status == PENDING else VOIDED
        _set(connection, key, status=status, next_attempt_at=None)
    return existing(connection, key)


def confirm_refund(connection: Connection, key: str) -> Charge:
    """The provider has given the money back."""
    if existing(connection, key).status == REFUNDING:
        _set(connection, key, status=REFUNDED, next_attempt_at=None)
    return existing(connection, key)


def postpone(connection: Connection, key: str) -> Charge:
    """The provider's word could not be had: ask again later, and later each time."""
    found = existing(connection, key)
    if found.status in UNSETTLED:
        wait = min(LONGEST_WAIT, timedelta(seconds=0.5 * 2 ** min(found.attempts, 10)))
        _set(connection, key, attempts=found.attempts + 1, next_attempt_at=datetime.now(UTC) + wait)
    return existing(connection, key)


def due_keys(connection: Connection, limit: int) -> list[str]:
    """Unsettled charges whose time has come, the oldest first."""
    due = (
        sa.select(charges.c.key)
        .where(charges.c.next_attempt_at <= datetime.now(UTC))
        .order_by(charges.c.next_attempt_at)
        .limit(limit)
    )
    return list(connection.execute(due).scalars())


def first_time(connection: Connection, webhook_id: str) -> bool:
    """Whether a webhook was not received before; in the transaction that applies it, so that it is applied once."""
    now = datetime.now(UTC)
    connection.execute(sa.delete(webhooks).where(webhooks.c.received_at < now - WEBHOOKS_KEPT))
    return _insert_unless_there(connection, webhooks, "id", {"id": webhook_id, "received_at": now})


def existing(connection: Connection, key: str) -> Charge:
    """The charge, locked until the transaction ends."""
    connection.execute(sa.select(charges.c.key).where(charges.c.key == key).with_for_update())
    return current(connection, key)


def current(connection: Connection, key: str) -> Charge:
    """The charge as it was just now."""
    found = find_charge(connection, key)
    assert found is not None, "a charge is never deleted"
    return found


def _insert(connection: Connection, key: str, wanted: Wanted, status: str) -> bool:
    now = datetime.now(UTC)
    values = {
        "key": key,
        "amount_cents": wanted.amount_cents,
        "currency": wanted.currency,
        "method": wanted.method,
        "status": status,
        "attempts": 0,
        # A moment later than the request's own attempt, for the case that this process dies before it.
        "next_attempt_at": now + timedelta(seconds=5) if status == PENDING else None,
        "created_at": now,
        "changed_at": now,
    }
    return _insert_unless_there(connection, charges, "key", values)


def _insert_unless_there(connection: Connection, table: sa.Table, key: str, values: dict[str, Any]) -> bool:
    """Whether the key is new. If it is in another transaction's hands, this waits for how that ends."""
    # Both dialects have it, under the same names, but not in common.
    insert: Any = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(table).values(values).on_conflict_do_nothing(index_elements=[key]).returning(table.c[key])
    return connection.execute(statement).first() is not None


def _set(connection: Connection, key: str, **values: Any) -> None:
    values["changed_at"] = datetime.now(UTC)
    connection.execute(sa.update(charges).where(charges.c.key == key).values(values))
