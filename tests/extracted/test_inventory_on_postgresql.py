"""The inventory service's transactions on PostgreSQL, where, unlike on SQLite, several write at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

pytest.importorskip("inventory_service", reason="the inventory service is not in this checkout")

from inventory_service.answer import ApiError
from inventory_service.database import open_engine
from inventory_service.migrate import is_migrated, migrate
from inventory_service.schema import metadata, reservations, reserved_items, stock
from inventory_service.store import Stock, commit, find_reservation, find_stock, release, reserve


@pytest.fixture(scope="module")
def migrated(postgresql: str) -> Iterator[Engine]:
    engine = open_engine(postgresql, 8)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE SCHEMA inventory"))
    engine.dispose()
    engine = open_engine(f"{postgresql}?options=-csearch_path%3Dinventory", 8)
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def engine(migrated: Engine) -> Engine:
    with migrated.begin() as connection:
        for table in (reserved_items, reservations, stock):
            connection.execute(sa.delete(table))
        rows = [{"product_id": product, "available": 17, "reserved": 0} for product in (1, 2)]
        connection.execute(sa.insert(stock), rows)
    return migrated


def at_once(engine: Engine, work: list[Callable[[Connection], object]]) -> Counter[object]:
    """How often each outcome came about: "done", or the status of the error."""

    def run(each: Callable[[Connection], object]) -> object:
        try:
            with engine.begin() as connection:
                each(connection)
        except ApiError as error:
            return error.answer.status
        return "done"

    with ThreadPoolExecutor(8) as threads:
        return Counter(threads.map(run, work))


def left(engine: Engine, product_id: int) -> Stock | None:
    with engine.connect() as connection:
        return find_stock(connection, product_id)


def test_the_schema_is_what_the_code_takes_it_for(engine: Engine) -> None:
    with engine.connect() as connection:
        assert is_migrated(connection)
    for table in metadata.tables.values():
        found = {column["name"]: column["nullable"] for column in sa.inspect(engine).get_columns(table.name)}
        assert found == {column.name: column.nullable for column in table.c}


def test_no_more_is_reserved_than_there_is_in_whatever_order_the_products_come(engine: Engine) -> None:
    orders = [dict.fromkeys((1, 2) if number % 2 else (2, 1), 1) for number in range(20)]
    work = [
        (lambda connection, key=f"key-{number}", quantities=quantities: reserve(connection, key, quantities))
        for number, quantities in enumerate(orders)
    ]
    # Each twice: the second waits for the first, and finds its reservation.
    assert at_once(engine, [each for each in work for _ in range(2)]) == {"done": 34, 409: 6}
    assert (left(engine, 1), left(engine, 2)) == (Stock(1, 0, 17), Stock(2, 0, 17))


def test_of_a_reserve_and_its_release_at_the_same_time_nothing_stays(engine: Engine) -> None:
    work: list[Callable[[Connection], object]] = []
    for number in range(20):
        work.append(lambda connection, key=f"key-{number}": reserve(connection, key, {1: 1}))
        work.append(lambda connection, key=f"key-{number}": release(connection, key))
    at_once(engine, work)
    assert left(engine, 1) == Stock(1, 17, 0)
    with engine.connect() as connection:
        found = [find_reservation(connection, f"key-{number}") for number in range(20)]
    assert {each.status for each in found if each is not None} == {"released"}


def test_of_a_commit_and_a_release_at_the_same_time_one_wins(engine: Engine) -> None:
    with engine.begin() as connection:
        for number in range(10):
            reserve(connection, f"key-{number}", {1: 1})
    work: list[Callable[[Connection], object]] = []
    for number in range(10):
        work.append(lambda connection, key=f"key-{number}": commit(connection, key))
        work.append(lambda connection, key=f"key-{number}": release(connection, key))
    assert at_once(engine, work) == {"done": 10, 409: 10}
    with engine.connect() as connection:
        found = [find_reservation(connection, f"key-{number}") for number in range(10)]
    committed = sum(each is not None and each.status == "committed" for each in found)
    assert left(engine, 1) == Stock(1, 17 - committed, 0)
