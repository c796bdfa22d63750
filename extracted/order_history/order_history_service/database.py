"""Connections to the service's own database, and the thread that each call has.

SQLite and PostgreSQL are both driven by blocking drivers, so that no call may run on the event loop's
thread. As many calls run at once as the pool has connections; the others wait without a thread.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import anyio
import anyio.to_thread
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.engine.url import make_url
from sqlalchemy.exc import ArgumentError

T = TypeVar("T")

# How long a connection waits for another's write to end before it gives up, in milliseconds.
SQLITE_BUSY_TIMEOUT = 5000


class DatabaseError(Exception):
    """The database can't be used as configured; the message says why, without the password."""


def open_engine(url: str, connections: int = 4) -> Engine:
    """An engine for a SQLite file, whose folder is made if need be, or for PostgreSQL.

    Raises `DatabaseError` for a URL that is neither, or whose driver is not installed.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise DatabaseError("the database's URL can't be read; it should be as sqlite:///file") from None
    backend = parsed.get_backend_name()
    try:
        if backend == "sqlite":
            if not parsed.database or parsed.database == ":memory:":
                raise DatabaseError("a SQLite database has to be a file, as in sqlite:///var/data.sqlite3")
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            engine = sa.create_engine(parsed, pool_size=connections, max_overflow=0)
            # With a write-ahead log readers and a writer don't wait for each other.
            _prepare_sqlite(engine, "journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON")
            return engine
        if backend == "postgresql":
            return sa.create_engine(parsed, pool_size=connections, max_overflow=0, pool_pre_ping=True)
    except ModuleNotFoundError as error:
        raise DatabaseError(f"{parsed.drivername} needs the package {error.name}") from None
    except OSError as error:
        raise DatabaseError(f"the folder of {parsed.database} can't be made: {error.strerror}") from None
    raise DatabaseError(f"{backend} is not supported; use sqlite or postgresql+psycopg")


def open_source(url: str) -> Engine:
    """Another program's database, to read and never to change.

    Raises `DatabaseError` as `open_engine` does, and for a SQLite file that is not there, which must not
    pass for an empty one.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise DatabaseError("the source's URL can't be read; it should be as sqlite:///file") from None
    if parsed.get_backend_name() != "sqlite":
        return open_engine(url, 1)
    path = Path(parsed.database or "")
    if not path.is_file():
        raise DatabaseError(f"there is no file {path}")
    read_only = parsed.set(database=path.absolute().as_uri(), query={"mode": "ro", "uri": "true"})
    engine = sa.create_engine(read_only, pool_size=1, max_overflow=0)
    _prepare_sqlite(engine)
    return engine


def _prepare_sqlite(engine: Engine, *pragmas: str) -> None:
    """Real transactions, with patience for those of others."""

    @event.listens_for(engine, "connect")
    def connected(connection: Any, record: object) -> None:
        # The driver's own notion of when a transaction begins leaves reads outside of any.
        connection.isolation_level = None
        for pragma in (f"busy_timeout={SQLITE_BUSY_TIMEOUT}", *pragmas):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def began(connection: Connection) -> None:
        # A reader that turns writer may find the database changed and fail: take the lock at once.
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


class Database:
    """The service's own database, as async code uses it."""

    def __init__(self, url: str, connections: int = 4) -> None:
        self.engine = open_engine(url, connections)
        self._places = anyio.CapacityLimiter(connections)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in one transaction on a thread: all it reads is of one moment."""

        def run() -> T:
            options = {} if self.engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
            with self.engine.connect().execution_options(**options) as connection:
                return work(connection)

        return await anyio.to_thread.run_sync(run, limiter=self._places)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in one transaction on a thread, and commit what it did unless it raised."""

        def run() -> T:
            with self.engine.connect().execution_options(writes=True) as connection, connection.begin():
                return work(connection)

        return await anyio.to_thread.run_sync(run, limiter=self._places)

    async def close(self) -> None:
        await anyio.to_thread.run_sync(self.engine.dispose, limiter=self._places)
