"""Orders of captures between whoever captures and the judge: bounds, a judge that dies, orders that nobody collects."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from strangler.redaction.redaction import Redaction
from strangler.shadow.evidence.capture import UNCOLLECTED, Captures, captured, collect, count, is_begun, order, orders
from strangler.shadow.evidence.store import metadata
from strangler.store.database import Database
from tests.shadow.pairs import pair

FUTURE = 10_000_000_000.0
PLENTY = 1_000_000


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path}/store.sqlite3", metadata)
    yield opened
    opened.close()


class Judging:
    """The judge's side of captures."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.captures = Captures()
        self.captures.redactions = {"items": Redaction()}

    def turn(self, pairs: int = 0, now: float = 0.0) -> None:
        """Look for orders, take so many pairs, and write them."""
        asyncio.run(self.captures.exchange(self.database, now))
        for number in range(pairs):
            self.captures.take(pair({"id": number}, {"id": number}))
        asyncio.run(self.captures.exchange(self.database, now))


def test_no_more_than_was_ordered_is_taken_and_each_order_gets_its_own(database: Database) -> None:
    few, many = order(database, "items", FUTURE, 2, PLENTY), order(database, "items", FUTURE, 100, PLENTY)
    other = order(database, "others", FUTURE, 100, PLENTY)
    judging = Judging(database)
    assert not judging.captures.wanted
    judging.turn(3)
    judging.turn(2)
    assert judging.captures.wanted
    assert [count(database, number) for number in (few, many, other)] == [2, 5, 0]
    assert [document["legacy"]["bytes"] for document in collect(database, few)] == [9, 9]
    assert count(database, few) == 0
    assert count(database, many) == 5


def test_what_is_taken_while_others_are_written_is_not_lost(database: Database) -> None:
    number = order(database, "items", FUTURE, 100, PLENTY)
    judging = Judging(database)
    judging.turn(1)

    async def main() -> None:
        judging.captures.take(pair({"id": 1}, {"id": 1}))
        writing = asyncio.create_task(judging.captures.exchange(database, 0.0))
        await asyncio.sleep(0)
        judging.captures.take(pair({"id": 2}, {"id": 2}))
        await writing
        await judging.captures.exchange(database, 0.0)

    asyncio.run(main())
    assert count(database, number) == 3


def test_an_order_is_known_to_have_begun(database: Database) -> None:
    number = order(database, "items", FUTURE, 100, PLENTY)
    assert not is_begun(database, number)
    Judging(database).turn()
    assert is_begun(database, number)
    Judging(database).turn()
    assert is_begun(database, number), "by a judge that came after one that died"
    collect(database, number)
    assert not is_begun(database, number)


def test_nothing_is_taken_after_the_end(database: Database) -> None:
    number = order(database, "items", 1_000_000.0, 100, PLENTY)
    Judging(database).turn(3)
    assert count(database, number) == 0


def test_no_more_bytes_than_ordered_are_taken(database: Database) -> None:
    number = order(database, "items", FUTURE, 100, 2000)
    Judging(database).turn(20)
    documents = database.read(lambda connection: connection.execute(select(captured.c.document)).scalars().all())
    assert 0 < len(documents) == count(database, number) < 20
    assert sum(map(len, documents)) <= 2000


def test_a_new_judge_goes_on_where_the_one_before_has_died(database: Database) -> None:
    number = order(database, "items", FUTURE, 5, PLENTY)
    Judging(database).turn(3)
    Judging(database).turn(3)
    assert count(database, number) == 5


def test_uncollected_pairs_are_deleted(database: Database) -> None:
    order(database, "items", FUTURE, 5, PLENTY)
    judging = Judging(database)
    judging.turn(3)
    judging.turn(now=FUTURE + UNCOLLECTED + 1)
    for table in (orders, captured):
        assert database.read(lambda connection, table=table: connection.execute(select(table)).all()) == []
    judging.turn(3, now=FUTURE)
    assert not judging.captures.wanted


def test_what_comes_after_it_was_collected_is_dropped(database: Database) -> None:
    number = order(database, "items", FUTURE, 5, PLENTY)
    judging = Judging(database)
    judging.turn(1)
    judging.captures.take(pair({"id": 1}, {"id": 1}))
    assert len(collect(database, number)) == 1
    judging.turn()
    assert database.read(lambda connection: connection.execute(select(captured)).all()) == []


def test_credentials_are_not_in_what_is_stored(database: Database) -> None:
    number = order(database, "items", FUTURE, 1, PLENTY)
    Judging(database).turn(1)
    (stored,) = database.read(lambda connection: connection.execute(select(captured.c.document)).scalars().all())
    assert b"abc.def.ghi" not in stored
    assert collect(database, number)[0]["request"]["target"] == "/items/1?q=shown"
