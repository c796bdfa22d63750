"""The orders service's transactions on PostgreSQL, where, unlike on SQLite, several write at once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

pytest.importorskip("orders_service", reason="the orders service is not in this checkout")

from orders_service import saga as states
from orders_service.database import Database, open_engine, open_source
from orders_service.event_store import history
from orders_service.events import Item, OrderPlaced
from orders_service.fill import Filled, fill
from orders_service.migrate import migrate
from orders_service.outbox import clear
from orders_service.read_model import find, rebuild
from orders_service.relay import Relay
from orders_service.saga import Deadlines, Done
from orders_service.saga_store import acquire, begin, find_saga, give_up, request_payment, settle_step
from orders_service.schema import metadata, orders

HOUR = timedelta(hours=1)
DEADLINES = Deadlines(HOUR, HOUR, HOUR, HOUR)
PLACED = OrderPlaced(1, (Item(1, "BOO-1", "Atlas", 2, 1250),), datetime(2026, 1, 5, tzinfo=UTC))


@pytest.fixture(scope="module")
def engine(postgresql: str) -> Iterator[Engine]:
    engine = open_engine(postgresql)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE SCHEMA orders"))
    engine.dispose()
    engine = open_engine(f"{postgresql}?options=-csearch_path%3Dorders", 8)
    migrate(engine)
    yield engine
    engine.dispose()


def at_once(engine: Engine, work: list[Callable[[Connection], object]]) -> list[object]:
    def run(each: Callable[[Connection], object]) -> object:
        with engine.begin() as connection:
            return each(connection)

    with ThreadPoolExecutor(8) as threads:
        return list(threads.map(run, work))


def placed(engine: Engine, saga_id: str) -> states.Saga:
    with engine.begin() as connection:
        return begin(connection, saga_id, PLACED, DEADLINES, timedelta())


def test_the_schema_is_what_the_code_takes_it_for(engine: Engine) -> None:
    for table in metadata.tables.values():
        found = {column["name"]: column["nullable"] for column in sa.inspect(engine).get_columns(table.name)}
        assert found == {column.name: column.nullable for column in table.c}


def test_orders_at_the_same_time_have_numbers_of_their_own(engine: Engine) -> None:
    sagas = [placed(engine, f"numbered-{number}") for number in range(16)]
    at_once(engine, [lambda connection, saga=saga: settle_step(connection, saga, Done(), DEADLINES) for saga in sagas])
    with engine.connect() as connection:
        numbers = connection.execute(sa.select(orders.c.number)).scalars().all()
    assert len(set(numbers)) == 16


def test_of_an_outcome_and_a_deadline_at_the_same_time_one_wins(engine: Engine) -> None:
    sagas = [placed(engine, f"raced-{number}") for number in range(10)]
    work: list[Callable[[Connection], object]] = []
    for saga in sagas:
        work.append(lambda connection, saga=saga: settle_step(connection, saga, Done(), DEADLINES))
        work.append(lambda connection, saga=saga: give_up(connection, saga, "late", DEADLINES))
    at_once(engine, work)
    with engine.connect() as connection:
        for saga in sagas:
            found = find_saga(connection, saga.id)
            assert found is not None
            assert found.state in (states.AWAITING_PAYMENT, states.RELEASING)
            assert len(history(connection, saga.id)) == 2


def test_of_payments_and_leases_at_the_same_time_one_is_given(engine: Engine) -> None:
    saga = placed(engine, "paid")
    at_once(engine, [lambda connection: settle_step(connection, saga, Done(), DEADLINES)])
    requests = at_once(
        engine, [lambda connection: request_payment(connection, "paid", "card", DEADLINES, HOUR) for _ in range(8)]
    )
    assert len([request for request in requests if request is not None]) == 1
    assert at_once(engine, [lambda connection: acquire(connection, "paid", HOUR) for _ in range(8)]).count(True) == 1


def test_events_that_come_during_a_rebuild_are_in_it(engine: Engine) -> None:
    sagas = [placed(engine, f"rebuilt-{number}") for number in range(12)]
    work: list[Callable[[Connection], object]] = [
        lambda connection, saga=saga: settle_step(connection, saga, Done(), DEADLINES) for saga in sagas
    ]
    at_once(engine, [*work[:6], rebuild, *work[6:], rebuild])
    with engine.begin() as connection:
        shown = connection.execute(sa.select(orders).order_by(orders.c.number)).all()
        rebuild(connection)
        assert connection.execute(sa.select(orders).order_by(orders.c.number)).all() == shown


def test_numbers_go_on_after_those_of_the_monolith(engine: Engine, tmp_path: Path) -> None:
    shop = tmp_path / "shop.sqlite3"
    with contextlib.closing(sqlite3.connect(shop)) as connection, connection:
        connection.execute("CREATE TABLE orders_order (id, user_id, status, total_cents, created_at, paid_at)")
        connection.execute(
            "CREATE TABLE orders_orderitem (id, order_id, product_id, sku, name, quantity, unit_price_cents)"
        )
        connection.execute(
            "INSERT INTO orders_order VALUES (5000, 1, 'paid', 1250, '2026-01-05 08:00:00', '2026-01-05 09:00:00.5')"
        )
        connection.execute("INSERT INTO orders_orderitem VALUES (1, 5000, 1, 'BOO-1', 'Atlas', 1, 1250)")
    source = open_source(f"sqlite:///{shop}")
    assert fill(source, engine).copied == 1
    assert fill(source, engine) == Filled(0, fill(source, engine).known)
    source.dispose()
    saga = placed(engine, "after-the-fill")
    with engine.begin() as writing:
        settle_step(writing, saga, Done(), DEADLINES)
        order = find(writing, 5001, 1)
        assert order is not None
        assert order.id == saga.id


class Published:
    """A broker that is slow, and keeps what it gets."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, int]] = []

    async def publish(self, message_id: str, body: str) -> None:
        values = json.loads(body)
        await asyncio.sleep(0.005)
        self.messages.append((values["order_id"], values["version"]))

    async def close(self) -> None:
        """There is nothing to end."""


async def relaying(url: str, published: Published) -> None:
    """Two processes' relays at the same time."""
    databases = [Database(url, 4) for _ in range(2)]
    relays = [Relay(database, published) for database in databases]
    while sum(await asyncio.gather(*(relay.publish_once() for relay in relays))):
        pass
    for database in databases:
        await database.close()


def test_two_relays_publish_each_message_once_and_those_of_an_order_in_their_order(engine: Engine) -> None:
    with engine.begin() as connection:
        clear(connection)
    for number in range(12):
        saga = placed(engine, f"relayed-{number}")
        with engine.begin() as connection:
            settle_step(connection, saga, Done(), DEADLINES)
    published = Published()
    asyncio.run(relaying(engine.url.render_as_string(hide_password=False), published))
    assert len(published.messages) == 24
    for number in range(12):
        versions = [version for order, version in published.messages if order == f"relayed-{number}"]
        assert versions == [1, 2]
