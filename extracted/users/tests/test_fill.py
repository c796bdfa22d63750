"""Copying the users of a monolith's database, again and again."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from users_service.database import DatabaseError, open_engine, open_source
from users_service.fill import Filled, FillError, fill
from users_service.migrate import is_migrated, migrate, newest_revision
from users_service.schema import users
from users_service.store import change_profile

COLUMNS = "id, username, full_name, email, is_staff, is_active, date_joined"
ALICE = (1, "alice", "Alice Adler", "alice@shop.example", 0, 1, "2025-11-01 09:00:00.999999")
BOB = (2, "bob", "Bob Brandt", "bob@shop.example", 1, 0, "2025-11-02 09:07:00")


class Shop:
    """The monolith's database, as far as it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run(f"CREATE TABLE accounts_user ({COLUMNS}, password)")
        self.add(ALICE, BOB)

    def add(self, *rows: tuple[object, ...]) -> None:
        for row in rows:
            self.run(f"INSERT INTO accounts_user ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def run(self, statement: str, values: tuple[object, ...] = ()) -> None:
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute(statement, values)

    def fill(self, target: Engine, *, overwrite: bool = False) -> Filled:
        source = open_source(f"sqlite:///{self.path}")
        try:
            return fill(source, target, overwrite=overwrite)
        finally:
            source.dispose()


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "shop % ü.sqlite3")


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(f"sqlite:///{tmp_path}/var/users.sqlite3")
    migrate(engine)
    yield engine
    engine.dispose()


def kept(target: Engine) -> list[tuple[object, ...]]:
    columns = (users.c.id, users.c.name, users.c.full_name, users.c.email, users.c.is_staff, users.c.is_active)
    with target.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.select(*columns).order_by(users.c.id))]


def change(target: Engine, user_id: int, **changes: str) -> None:
    with target.connect().execution_options(writes=True) as connection, connection.begin():
        change_profile(connection, user_id, changes)


def test_all_users_are_there_afterwards(shop: Shop, target: Engine) -> None:
    assert shop.fill(target) == Filled(2, 0)
    assert kept(target) == [
        (1, "alice", "Alice Adler", "alice@shop.example", False, True),
        (2, "bob", "Bob Brandt", "bob@shop.example", True, False),
    ]
    with target.connect() as connection:
        created = connection.execute(sa.select(users.c.created_at).where(users.c.id == 1)).scalar_one()
    assert created.isoformat() == "2025-11-01T09:00:00.999999+00:00"


def test_again_it_adds_updates_and_removes(shop: Shop, target: Engine) -> None:
    shop.fill(target)
    shop.run("UPDATE accounts_user SET username = 'alicia', is_active = 0 WHERE id = 1")
    shop.run("DELETE FROM accounts_user WHERE id = 2")
    shop.add((3, "carol", "Carol Čapek", "", 0, 1, "2026-01-01 00:00:00"))
    assert shop.fill(target) == Filled(2, 1)
    assert kept(target) == [
        (1, "alicia", "Alice Adler", "alice@shop.example", False, False),
        (3, "carol", "Carol Čapek", "", False, True),
    ]


def test_users_may_have_swapped_names(shop: Shop, target: Engine) -> None:
    shop.fill(target)
    shop.run("UPDATE accounts_user SET username = CASE id WHEN 1 THEN 'bob' ELSE 'alice' END")
    shop.fill(target)
    assert [row[1] for row in kept(target)] == ["bob", "alice"]


def test_a_profile_that_was_changed_here_stays(shop: Shop, target: Engine) -> None:
    shop.fill(target)
    change(target, 1, full_name="Alice Änders")
    shop.run("UPDATE accounts_user SET full_name = 'Old', email = 'old@shop.example', is_staff = 1")
    shop.fill(target)
    assert kept(target) == [
        (1, "alice", "Alice Änders", "alice@shop.example", True, True),
        (2, "bob", "Old", "old@shop.example", True, False),
    ]


def test_overwrite_undoes_what_was_changed_here_once(shop: Shop, target: Engine) -> None:
    shop.fill(target)
    change(target, 1, full_name="Alice Änders")
    shop.fill(target, overwrite=True)
    assert kept(target)[0][2] == "Alice Adler"
    shop.run("UPDATE accounts_user SET full_name = 'Newer'")
    shop.fill(target)
    assert [row[2] for row in kept(target)] == ["Newer", "Newer"]


def test_more_than_one_batch(shop: Shop, target: Engine) -> None:
    count = "WITH RECURSIVE n(i) AS (SELECT 3 UNION ALL SELECT i + 1 FROM n WHERE i < 2500) SELECT"
    shop.run(f"INSERT INTO accounts_user ({COLUMNS}) {count} i, 'u' || i, '', '', 0, 1, '2026-01-01 00:00:00' FROM n")
    assert shop.fill(target) == Filled(2500, 0)
    shop.run("DELETE FROM accounts_user WHERE id > 2")
    assert shop.fill(target) == Filled(2, 2498)
    assert [row[0] for row in kept(target)] == [1, 2]


def test_a_database_without_users_changes_nothing(shop: Shop, target: Engine) -> None:
    shop.fill(target)
    before = kept(target)
    shop.run("DELETE FROM accounts_user")
    with pytest.raises(FillError, match="no users"):
        shop.fill(target)
    assert kept(target) == before


def test_the_source_is_never_written_to(shop: Shop) -> None:
    source = open_source(f"sqlite:///{shop.path}")
    with source.connect() as connection, pytest.raises(sa.exc.OperationalError, match="readonly"):
        connection.execute(sa.text("DELETE FROM accounts_user"))
    source.dispose()


def test_a_source_that_is_not_there_is_no_empty_one(tmp_path: Path) -> None:
    missing = tmp_path / "missing.sqlite3"
    with pytest.raises(DatabaseError, match="there is no file"):
        open_source(f"sqlite:///{missing}")
    assert not missing.exists()


@pytest.mark.parametrize("url", ["nonsense", "mysql://host/x", "sqlite://", "sqlite:///:memory:"])
def test_databases_that_are_not_supported(url: str) -> None:
    with pytest.raises(DatabaseError):
        open_engine(url)


def test_migrating_again_changes_nothing(target: Engine) -> None:
    assert migrate(target) == newest_revision()
    with target.connect() as connection:
        assert is_migrated(connection)


def test_the_tables_are_what_the_code_takes_them_for(target: Engine) -> None:
    found = {column["name"]: column["nullable"] for column in sa.inspect(target).get_columns("users")}
    assert found == {column.name: column.nullable for column in users.c}


def test_an_empty_database_is_not_migrated(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/new.sqlite3")
    with engine.connect() as connection:
        assert not is_migrated(connection)
    engine.dispose()
