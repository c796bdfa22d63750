"""A database: SQLite in WAL mode, or PostgreSQL, with one thread that writes.

SQLite lets one writer in at a time and any number of readers beside it
(https://sqlite.org/wal.html), so all writes of a process go through one thread,
each piece of work in a transaction of its own, and no event loop waits for a
disk. A second process that writes waits up to BUSY seconds.

Every piece of work has a deadline. PostgreSQL gets it as timeouts for
statements and locks; where the server no longer responds at all (it is stopped,
or its machine is), the connection is closed on this side.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from os.path import normpath
from pathlib import Path
from time import monotonic, sleep
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, MetaData, create_engine, event, inspect, make_url, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql.dml import Insert
from sqlalchemy.sql.schema import Table

Result = TypeVar("Result")

BUSY = 10.0
"""Seconds to wait for another process that writes to the same file."""
CONNECT = 5
"""Seconds to wait for a server that accepts no connection, or accepts one and does not respond."""
DEADLINE = 10.0
"""Seconds that a piece of work may take by default; it waits for a lock at most half as long."""
TABLES = 5.0
"""Seconds to wait for the tables of a gateway that has just started."""
_SERVERS_LEAD = 1.0
"""Seconds by which the server's own timeout comes first: its error says what it waited for."""


class StoreError(Exception):
    """The store can't be opened, read or written; the message says which and why."""


class Database:
    """The database at `url` (sqlite:///PATH or postgresql://…) with the tables of `metadata`.

    `create` makes missing folders and tables; without it a missing SQLite file
    is an error, and so are tables that are still missing after `TABLES` seconds,
    or after `deadline` if that is shorter.
    Each piece of work ends within `deadline` seconds. Raises StoreError.
    """

    def __init__(self, url: str, metadata: MetaData, *, create: bool = True, deadline: float = DEADLINE) -> None:
        self._deadline = deadline
        self._connections: set[Any] = set()
        self._engine = _engine(url, create, min(CONNECT, deadline))
        event.listen(self._engine, "connect", lambda connection, record: self._connections.add(connection))
        event.listen(self._engine, "close", lambda connection, record: self._connections.discard(connection))
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._shown = self._engine.url.render_as_string(hide_password=True)
        if create:
            self._do(metadata.create_all)
        else:
            self._wait_for_tables(frozenset(metadata.tables))

    def _wait_for_tables(self, names: frozenset[str]) -> None:
        """Wait for the process that creates the tables, which may have created the file just now."""
        end = monotonic() + min(TABLES, self._deadline)
        while not names.issubset(self._do(lambda connection: inspect(connection).get_table_names())):
            if monotonic() > end:
                self.close()
                raise StoreError(f"{self._shown}: its tables are missing; start the gateway with this store first")
            sleep(0.05)

    @property
    def is_postgresql(self) -> bool:
        """Whether it is PostgreSQL rather than SQLite."""
        return self._engine.dialect.name == "postgresql"

    def read(self, work: Callable[[Connection], Result]) -> Result:
        """The result of `work`, which runs in the calling thread. Raises StoreError."""
        return self._do(work)

    async def write(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work` in a transaction on the writing thread. Raises StoreError, and has written nothing then."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._do, work)

    def _do(self, work: Callable[[Connection], Result]) -> Result:
        with self._within_deadline() as broken:
            try:
                with self._engine.begin() as connection:
                    if self.is_postgresql:
                        connection.execute(_DEADLINES, _deadlines(self._deadline))
                    return work(connection)
            except SQLAlchemyError as error:
                reason = getattr(error, "orig", None) or error
                if broken.is_set():
                    reason = f"no response in {self._deadline + _SERVERS_LEAD:g} s"
                raise StoreError(f"{self._shown}: {str(reason).strip()}") from error

    @contextmanager
    def _within_deadline(self) -> Iterator[threading.Event]:
        """Close all connections when the time is over; the event is set if that happened."""
        broken = threading.Event()

        def break_off() -> None:
            broken.set()
            for connection in list(self._connections):
                with suppress(Exception):  # it is closed already
                    break_connection(connection)

        timer = threading.Timer(self._deadline + _SERVERS_LEAD, break_off)
        timer.daemon = True
        timer.start()
        try:
            yield broken
        finally:
            timer.cancel()

    def close(self) -> None:
        """Wait for the writing thread and close all connections."""
        self._writer.shutdown()
        self._engine.dispose()

    def add(self, connection: Connection, table: Table, rows: list[dict[str, Any]], summed: tuple[str, ...]) -> None:
        """Insert `rows`; where the primary key exists, add to the `summed` columns and set all others."""
        self._upsert(connection, table, rows, frozenset(summed))

    def put(self, connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
        """Insert `rows`; each replaces the row with the same primary key."""
        self._upsert(connection, table, rows, frozenset())

    def _upsert(self, connection: Connection, table: Table, rows: list[dict[str, Any]], summed: frozenset[str]) -> None:
        if not rows:
            return
        keys = [column.name for column in table.primary_key]
        statement: Any = postgresql.insert(table) if self.is_postgresql else sqlite.insert(table)
        changes = {
            name: table.c[name] + statement.excluded[name] if name in summed else statement.excluded[name]
            for name in rows[0]
            if name not in keys
        }
        upsert: Insert = statement.on_conflict_do_update(index_elements=keys, set_=changes)
        connection.execute(upsert, rows)


# For this transaction alone, as a pooler in between may give the connection to another client afterwards.
_DEADLINES = text(
    "SELECT set_config('statement_timeout', :statement, true), set_config('lock_timeout', :lock, true),"
    " set_config('idle_in_transaction_session_timeout', :statement, true)"
)


def _deadlines(seconds: float) -> dict[str, str]:
    return {"statement": f"{seconds * 1000:.0f}", "lock": f"{seconds * 500:.0f}"}


def break_connection(connection: Any) -> None:
    """Make a thread that waits for this connection of the driver fail."""
    if hasattr(connection, "interrupt"):
        connection.interrupt()
        return
    with socket.socket(fileno=os.dup(connection.fileno())) as ours:
        ours.shutdown(socket.SHUT_RDWR)


def _engine(url: str, create: bool, connect: float) -> Engine:
    parsed = make_url(url)
    if parsed.drivername in ("postgres", "postgresql"):
        parsed = parsed.set(drivername="postgresql+psycopg")
        try:
            limits = {"connect_timeout": int(connect), "tcp_user_timeout": int(DEADLINE * 1000)}
            return create_engine(parsed, connect_args=limits, pool_pre_ping=True, pool_size=2)
        except ImportError as error:
            raise StoreError(f"{error}: install strangler-gateway[postgresql]") from None
    path = Path(parsed.database or "")
    if create:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{path.parent}: {error.strerror}") from None
    elif not path.exists():
        raise StoreError(f"{normpath(path)} does not exist: nothing has been stored yet")
    engine = create_engine(parsed, connect_args={"timeout": BUSY})
    event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: Any, record: object) -> None:
    """WAL survives a crash of the process; of the machine it may lose the last transactions, which is fine here."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()
