"""A PostgreSQL server that hangs: every piece of work ends by its deadline, says why, and the next one may go well."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import Column, Connection, MetaData, String, Table, create_engine, select, text

from strangler.store import database as database_module
from strangler.store.database import Database, StoreError
from tests.store.postgresql_server import postgresql_server, programs

pytestmark = pytest.mark.skipif(programs() is None, reason="PostgreSQL is not installed")

metadata = MetaData()
words = Table("words", metadata, Column("word", String, primary_key=True))


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgresql_server() as url:
        yield url


@pytest.fixture
def database(server: str) -> Iterator[Database]:
    database = Database(server, metadata, deadline=1.5)
    yield database
    database.close()


def _signal(pid: int, name: signal.Signals) -> None:
    # The server ends processes of its own, such as that of the connection just closed.
    with suppress(ProcessLookupError):
        os.kill(pid, name)


@contextmanager
def stopped_server(url: str) -> Iterator[None]:
    """All processes of the server are stopped, as those of a machine that hangs."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        folder = connection.execute(text("SHOW data_directory")).scalar_one()
    engine.dispose()
    postmaster = int((Path(folder) / "postmaster.pid").read_text().split()[0])
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    everyone = [postmaster, *map(int, children)]
    try:
        for pid in everyone:
            _signal(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in everyone:
            _signal(pid, signal.SIGCONT)


def read(connection: Connection) -> list[str]:
    return list(connection.execute(select(words.c.word)).scalars())


def test_a_held_lock_ends_the_work_and_is_named_in_the_error(server: str, database: Database) -> None:
    engine = create_engine(server.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        connection.execute(text("LOCK TABLE words IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(StoreError, match="lock timeout"):
            database.read(read)
    engine.dispose()
    assert database.read(read) == []


def test_a_slow_statement_is_ended(database: Database) -> None:
    with pytest.raises(StoreError, match="statement timeout"):
        database.read(lambda connection: connection.execute(text("SELECT pg_sleep(600)")))


def test_deadlines_end_with_the_transaction(server: str, database: Database) -> None:
    """A pooler in between gives the connection to other clients, which have deadlines of their own."""
    drivers = database.read(lambda connection: connection.connection.driver_connection)
    assert drivers is not None
    assert drivers.execute("SHOW statement_timeout").fetchone()[0] == "0"


def test_a_stopped_server_ends_the_work_and_is_used_again_later(server: str, database: Database) -> None:
    assert database.read(read) == []
    with stopped_server(server), pytest.raises(StoreError, match=r"no response in 2.5 s|connection timeout"):
        asyncio.run(database.write(lambda connection: connection.execute(words.insert().values(word="lost"))))
    asyncio.run(database.write(lambda connection: connection.execute(words.insert().values(word="kept"))))
    assert "kept" in database.read(read)


def test_a_server_that_accepts_but_is_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "CONNECT", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        accepted: list[socket.socket] = []
        accepting = threading.Thread(target=lambda: accepted.append(silent.accept()[0]), daemon=True)
        accepting.start()
        with pytest.raises(StoreError, match="timeout"):
            Database(f"postgresql://shop@127.0.0.1:{silent.getsockname()[1]}/shop", metadata)
        for connection in accepted:
            connection.close()
