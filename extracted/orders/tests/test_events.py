"""Events: written, read in whichever form they were written, summed up, and summed up faster from a snapshot."""

import json
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from orders_service.event_store import SNAPSHOT_EVERY, append, history, load
from orders_service.events import (
    SCHEMAS,
    TYPES,
    UPCASTERS,
    CancellationBegan,
    Item,
    OrderCancelled,
    OrderConfirmed,
    OrderEvent,
    OrderPlaced,
    OrderShipped,
    PaymentCharged,
    PaymentRefunded,
    PaymentRequested,
    StockReserved,
    read_event,
    write_event,
)
from orders_service.order import Order, of_events
from orders_service.schema import events, metadata, snapshots

MOMENT = datetime(2026, 1, 5, 8, 0, 0, 999999, UTC)
PLACED = OrderPlaced(7, (Item(1, "BOO-1", "Ätlas 🌱", 2, 1250),), MOMENT)
EVENTS: list[OrderEvent] = [
    PLACED,
    StockReserved(101),
    PaymentRequested("card"),
    PaymentCharged(MOMENT),
    OrderConfirmed(),
    OrderShipped(MOMENT),
    CancellationBegan("late"),
    PaymentRefunded(),
    OrderCancelled("late", {"1": "only 2 left"}),
]


def begin(engine: Engine) -> sa.engine.base.Connection:
    return engine.connect().execution_options(writes=True)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_is_read_as_it_was_written(event: OrderEvent) -> None:
    assert read_event(*write_event(event)) == event


def test_each_type_is_written_in_its_present_form_and_each_older_form_can_be_read() -> None:
    assert {type(event).__name__ for event in EVENTS} == set(TYPES)
    for event in EVENTS:
        kind, schema, _ = write_event(event)
        assert schema == SCHEMAS.get(kind, 1)
    assert set(UPCASTERS) == {(kind, old) for kind, present in SCHEMAS.items() for old in range(1, present)}


def test_an_order_that_was_placed_in_the_first_form_has_its_prices(engine: Engine) -> None:
    """Form 1: prices in euros as text, no currency. The stored event stays as it is."""
    item = {"product_id": 1, "sku": "BOO-1", "name": "Ätlas 🌱", "quantity": 2, "price": "12.50"}
    first = json.dumps({"user_id": 7, "items": [item], "placed_at": MOMENT.isoformat()})
    with begin(engine) as connection, connection.begin():
        values = {"stream": "old", "version": 1, "type": "OrderPlaced", "schema": 1, "data": first}
        connection.execute(sa.insert(events).values(**values, recorded_at=MOMENT))
        old = load(connection, "old")
        assert old == Order("old").after(PLACED)
        assert append(connection, old, StockReserved(5)).total_cents == 2500
        assert connection.execute(sa.select(events.c.data).where(events.c.version == 1)).scalar_one() == first


def test_the_sum_of_events_is_the_same_with_and_without_a_snapshot(engine: Engine) -> None:
    with begin(engine) as connection, connection.begin():
        order = Order("a")
        for number, event in enumerate(EVENTS, 1):
            order = append(connection, order, event)
            assert (
                order
                == load(connection, "a")
                == load(connection, "a", snapshot=False)
                == of_events("a", EVENTS[:number])
            )
        kept = connection.execute(sa.select(snapshots.c.version)).scalar_one()
        assert kept == len(EVENTS) // SNAPSHOT_EVERY * SNAPSHOT_EVERY
        assert [recorded.type for recorded in history(connection, "a")] == [type(event).__name__ for event in EVENTS]


def test_a_snapshot_saves_reading_the_events_before_it(engine: Engine) -> None:
    with begin(engine) as connection, connection.begin():
        append(connection, Order("a"), *EVENTS[:SNAPSHOT_EVERY])
        connection.execute(sa.update(events).values(data="no JSON"))
        assert load(connection, "a").status == "paid"


def test_a_snapshot_of_another_form_is_not_used(engine: Engine) -> None:
    with begin(engine) as connection, connection.begin():
        append(connection, Order("a"), *EVENTS[:SNAPSHOT_EVERY])
        connection.execute(sa.update(snapshots).values(schema=0, data="no JSON"))
        assert load(connection, "a").status == "paid"


def test_of_two_that_append_to_the_same_order_the_second_fails(engine: Engine) -> None:
    with begin(engine) as connection, connection.begin():
        order = append(connection, Order("a"), PLACED)
        append(connection, order, StockReserved(1))
    with pytest.raises(sa.exc.IntegrityError), begin(engine) as connection, connection.begin():
        append(connection, order, OrderCancelled("late"))
    with engine.connect() as connection:
        assert number_of(connection) == 1


def number_of(connection: Connection) -> int | None:
    return load(connection, "a").number


def test_the_tables_are_what_the_code_takes_them_for(engine: Engine) -> None:
    for table in metadata.tables.values():
        found = {column["name"]: column["nullable"] for column in sa.inspect(engine).get_columns(table.name)}
        assert found == {column.name: column.nullable for column in table.c}
