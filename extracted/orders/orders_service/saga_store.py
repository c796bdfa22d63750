"""Sagas in the database: each transition in one transaction with the events that it means.

A transition names the state that it leaves. If another process made it first, nothing happens, and the caller gets the
saga as it is.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from orders_service import saga as states
from orders_service.event_store import append, load
from orders_service.events import (
    CancellationBegan,
    OrderCancelled,
    OrderConfirmed,
    OrderEvent,
    OrderPlaced,
    PaymentCharged,
    PaymentRefunded,
    PaymentRequested,
    StockReserved,
)
from orders_service.order import Order
from orders_service.read_model import give_number, update
from orders_service.saga import Deadlines, Outcome, Refused, Saga, Unknown, wait_before
from orders_service.schema import sagas

LONGEST_ERROR = 300

COLUMNS = (
    sagas.c.id,
    sagas.c.state,
    sagas.c.attempts,
    sagas.c.deadline,
    sagas.c.last_error,
    sagas.c.changed_at,
)


def find_saga(connection: Connection, saga_id: str) -> Saga | None:
    row = connection.execute(sa.select(*COLUMNS).where(sagas.c.id == saga_id)).one_or_none()
    return None if row is None else Saga(*row)


def begin(connection: Connection, saga_id: str, placed: OrderPlaced, deadlines: Deadlines, lease: timedelta) -> Saga:
    """The order is placed. The caller goes on with its first step; if it dies, another process does after the lease."""
    append(connection, Order(saga_id), placed)
    connection.execute(sa.insert(sagas).values(id=saga_id, **_entered(states.RESERVING, deadlines, lease)))
    return _current(connection, saga_id)


def request_payment(
    connection: Connection, saga_id: str, method: str, deadlines: Deadlines, lease: timedelta
) -> Saga | None:
    """The customer pays; None if the order is not waiting for that. The caller goes on, as after `begin`."""
    saga = _locked(connection, saga_id)
    if saga.state != states.AWAITING_PAYMENT or saga.is_late(datetime.now(UTC)):
        return None
    _enter(connection, saga, states.CHARGING, deadlines, PaymentRequested(method), wait=lease)
    return _current(connection, saga_id)


def settle_step(connection: Connection, left: Saga, outcome: Outcome, deadlines: Deadlines) -> Saga:
    """Go on from the step of the state `left`, whose outcome is known, or note that it is not."""
    saga = _locked(connection, left.id)
    if saga.state != left.state:
        return saga
    if isinstance(outcome, Unknown):
        changes = {
            "attempts": saga.attempts + 1,
            "last_error": outcome.error[:LONGEST_ERROR],
            "next_attempt_at": datetime.now(UTC) + wait_before(saga.attempts),
        }
        connection.execute(sa.update(sagas).where(sagas.c.id == saga.id).values(changes))
    elif isinstance(outcome, Refused):
        following = states.AFTER_REFUSED.get(saga.state)
        if following is None:
            # A step that undoes can't be refused; that it was is an error somewhere, and for an operator to see.
            return settle_step(connection, left, Unknown(f"refused: {outcome.reason}"), deadlines)
        _enter(connection, saga, following, deadlines, *_refused_events(following, outcome))
    else:
        _done(connection, saga, deadlines)
    return _current(connection, saga.id)


def give_up(connection: Connection, left: Saga, reason: str, deadlines: Deadlines) -> Saga:
    """Turn back from a step whose deadline has passed, or that nobody waits for any more."""
    saga = _locked(connection, left.id)
    if saga.state == left.state:
        _enter(connection, saga, states.AFTER_DEADLINE[saga.state], deadlines, CancellationBegan(reason))
    return _current(connection, saga.id)


def due_sagas(connection: Connection, limit: int) -> list[str]:
    """Sagas whose time has come and that no process works on, the oldest first."""
    now = datetime.now(UTC)
    due = (
        sa.select(sagas.c.id)
        .where(sagas.c.next_attempt_at <= now, _free(now))
        .order_by(sagas.c.next_attempt_at)
        .limit(limit)
    )
    return list(connection.execute(due).scalars())


def acquire(connection: Connection, saga_id: str, lease: timedelta) -> bool:
    """Whether the saga is now this process's to work on. It spares the receivers, which take each step once anyway."""
    now = datetime.now(UTC)
    taken = sa.update(sagas).where(sagas.c.id == saga_id, _free(now)).values(leased_until=now + lease)
    return connection.execute(taken.returning(sagas.c.id)).first() is not None


def end_lease(connection: Connection, saga_id: str) -> None:
    connection.execute(sa.update(sagas).where(sagas.c.id == saga_id).values(leased_until=None))


def _done(connection: Connection, saga: Saga, deadlines: Deadlines) -> None:
    order = load(connection, saga.id)
    event: OrderEvent | None = None
    match saga.state:
        case states.RESERVING:
            event = StockReserved(give_number(connection, order))
        case states.CHARGING:
            event = PaymentCharged(datetime.now(UTC))
        case states.CONFIRMING:
            event = OrderConfirmed()
        case states.REFUNDING:
            event = PaymentRefunded()
        case states.RELEASING:
            event = OrderCancelled(order.reason, dict(order.fields))
    assert event is not None
    _enter(connection, saga, states.AFTER_DONE[saga.state], deadlines, event)


def _refused_events(following: str, outcome: Refused) -> list[OrderEvent]:
    if following == states.CANCELLED:
        return [OrderCancelled(outcome.reason, outcome.fields)]
    return [CancellationBegan(outcome.reason)]


def _enter(
    connection: Connection,
    saga: Saga,
    state: str,
    deadlines: Deadlines,
    *happened: OrderEvent,
    wait: timedelta = timedelta(),
) -> None:
    order = append(connection, load(connection, saga.id), *happened)
    update(connection, order)
    connection.execute(sa.update(sagas).where(sagas.c.id == saga.id).values(_entered(state, deadlines, wait)))


def _entered(state: str, deadlines: Deadlines, wait: timedelta = timedelta()) -> dict[str, object]:
    now = datetime.now(UTC)
    length = deadlines.of(state)
    deadline = None if length is None else now + length
    return {
        "state": state,
        "attempts": 0,
        # A saga that waits is looked at when its deadline has passed.
        "next_attempt_at": deadline if state in states.WAITING else now + wait,
        "deadline": deadline,
        "last_error": None,
        "changed_at": now,
    }


def _free(now: datetime) -> sa.ColumnElement[bool]:
    return sa.or_(sagas.c.leased_until.is_(None), sagas.c.leased_until < now)


def _locked(connection: Connection, saga_id: str) -> Saga:
    connection.execute(sa.select(sagas.c.id).where(sagas.c.id == saga_id).with_for_update())
    return _current(connection, saga_id)


def _current(connection: Connection, saga_id: str) -> Saga:
    found = find_saga(connection, saga_id)
    assert found is not None, "a saga is never deleted"
    return found
