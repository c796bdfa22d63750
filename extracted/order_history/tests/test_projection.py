"""Messages in any order, and more than once, make one history; what can't be applied is kept."""

import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from order_history_service.dead_letters import bury, find_dead_letters, redrive
from order_history_service.projection import Entry, MalformedMessage, apply, find_history, read_message, shown
from order_history_service.schema import metadata

MOMENT = datetime(2026, 1, 5, 8, 0, 0, 5, UTC)
MESSAGE = {
    "type": "StockReserved",
    "order_id": "a",
    "version": 2,
    "number": 101,
    "user_id": 7,
    "status": "pending",
    "total_cents": 2500,
    "occurred_at": MOMENT.isoformat(),
    "new_field": True,
}


def entry(version: int) -> Entry:
    return Entry("a", version, f"Event{version}", 101 if version > 1 else None, 7, "pending", 2500, MOMENT)


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.connect().execution_options(writes=True) as connection:
        transaction = connection.begin()
        yield connection
        transaction.rollback()


@pytest.mark.parametrize("order", list(itertools.permutations((1, 2, 3))))
def test_messages_in_any_order_make_the_same_history_without_gaps(
    connection: Connection, order: tuple[int, ...]
) -> None:
    applied: set[int] = set()
    for version in order:
        assert [apply(connection, entry(version)) for _ in range(2)] == [True, False]
        applied.add(version)
        whole = [number for number in (1, 2, 3) if set(range(1, number + 1)) <= applied]
        expected = whole if len(whole) > 1 else []  # the first entry has no number to find it by
        assert [found.version for found in find_history(connection, 101, 7)] == expected


def test_a_history_is_its_users_alone(connection: Connection) -> None:
    for version in (1, 2):
        apply(connection, entry(version))
    assert find_history(connection, 101, 8) == []
    assert find_history(connection, 102, 7) == []
    assert shown(101, find_history(connection, 101, 7))["version"] == 2


def test_a_service_that_shows_gaps_is_found_out(connection: Connection) -> None:
    apply(connection, entry(3))
    assert find_history(connection, 101, 7, gaps=True) != find_history(connection, 101, 7)


def test_a_message_is_read_and_its_new_fields_are_ignored() -> None:
    assert read_message(json.dumps(MESSAGE)) == Entry("a", 2, "StockReserved", 101, 7, "pending", 2500, MOMENT)


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff", b"[]", b"null", b"{}"]
    + [
        json.dumps(MESSAGE | change).encode()
        for change in ({"version": "2"}, {"version": True}, {"number": 1.5}, {"occurred_at": "now"}, {"user_id": None})
    ],
)
def test_other_messages_are_malformed(body: bytes) -> None:
    with pytest.raises(MalformedMessage):
        read_message(body)


def test_dead_letters_are_kept_and_applied_again_once_they_can_be(engine: Engine) -> None:
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        bury(connection, "1", json.dumps(MESSAGE), "the disk was full")
        bury(connection, "1", json.dumps(MESSAGE), "again")
        bury(connection, "2", "{", "no JSON")
    with engine.connect() as connection:
        assert [letter.error for letter in find_dead_letters(connection)] == ["the disk was full", "no JSON"]
    assert redrive(engine) == (1, 1)
    assert redrive(engine) == (0, 1)
    with engine.connect() as connection:
        assert [letter.id for letter in find_dead_letters(connection)] == ["2"]
        assert connection.execute(sa.text("SELECT COUNT(*) FROM entries")).scalar_one() == 1


def test_the_tables_are_what_the_code_takes_them_for(engine: Engine) -> None:
    for table in metadata.tables.values():
        found = {column["name"]: column["nullable"] for column in sa.inspect(engine).get_columns(table.name)}
        assert found == {column.name: column.nullable for column in table.c}
