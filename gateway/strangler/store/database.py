"""A database: SQLite in WAL mode, or PostgreSQL, with one thread that writes.

SQLite lets one writer in at a time and any number of readers beside it
(https://sqlite.org/wal.html), so all writes of a process go through one thread,
each piece of work in a transaction of its own; whoever writes waits for no
disk on its event loop. A second process that writes waits up to BUSY seconds.

Every piece of work has a deadline. PostgreSQL is told of it, for statements and
for locks; where the server says nothing at all any more (it is stopped, or its
machine is), the connection is broken off on this side.
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
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, MetaData, create_engine, event, make_url, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql.dml import Insert
from sqlalchemy.sql.schema import Table

Result = TypeVar("Result")

BUSY = 10.0
"""Seconds to wait for another process that writes to the same file."""
CONNECT = 5
"""Seconds to wait for a server that takes no connection, or takes one and says nothing."""
DEADLINE = 10.0
"""Seconds that a piece of work may take unless it is given others; a lock in it is waited for half as long."""
_SERVERS_LEAD = 1.0
"""Seconds by which a server's own deadline comes first: it says better what there was to wait for."""


class StoreError(Exception):
    """The store can't be opened, read or written; the message says which and why."""


class Database:
    """The database at `url` (sqlite:///PATH or postgresql://…) with the tables of `metadata`.

    `create` makes what is not there yet, folder and tables; without it a
    missing SQLite file is an error. Each piece of work ends within `deadline`
    seconds. Raises StoreError.
    """

    def __init__(self, url: str, metadata: MetaData, *, create: bool = True, deadline: float = DEADLINE) -> None:
        self._deadline = deadline
        self._connections: set[Any] = set()
        self._engine = _engine(url, create)
        event.listen(self._engine, "connect", lambda connection, record: self._connections.add(connection))
        event.listen(self._engine, "close", lambda connection, record: self._connections.discard(connection))
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._shown = self._engine.url.render_as_string(hide_password=True)
        if create:
            self._do(metadata.create_all)

    @property
    def is_postgresql(self) -> bool:
        """Whether it is PostgreSQL rather than SQLite."""
        return self._engine.dialect.name == "postgresql"

    def read(self, work: Callable[[Connection], Result]) -> Result:
        """What `work` finds; in the calling thread. Raises StoreError."""
        return self._do(work)

    async def write(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work` in a transaction on the writing thread. Raises StoreError; then nothing of it was written."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._do, work)

    def _do(self, work: Callable[[Connection], Result]) -> Result:
        with self._within_deadline() as broken:
            try:
                with self._engine.begin() as connection:
                    if self.is_postgresql:
                        connection.execute(_DEADLINES, _deadlines(self._deadline))
                    return work(connection)
            except SQLAlchemyError as error:
                said = getattr(error, "orig", None) or error
                if broken.is_set():
                    said = f"no response in {self._deadline + _SERVERS_LEAD:g} s"
                raise StoreError(f"{self._shown}: {str(said).strip()}") from error

    @contextmanager
    def _within_deadline(self) -> Iterator[threading.Event]:
        """Break all connections off when the time is over; whether that happened."""
        broken = threading.Event()

        def break_off() -> None:
            broken.set()
            for connection in list(self._connections):
                with suppress(Exception):  # it is closed already
                    _break(connection)

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
        """Insert `rows`; where the primary key is there already, add the `summed` columns, and set all others."""
        self._upsert(connection, table, rows, frozenset(summed))

    def put(self, connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
        """Insert `rows`, each in place of the one with the same primary key."""
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


# For this transaction alone, so that a pooler in between may give the connection to others.
_DEADLINES = text(
    "SELECT set_config('statement_timeout', :statement, true), set_config('lock_timeout', :lock, true),"
    " set_config('idle_in_transaction_session_timeout', :statement, true)"
)


def _deadlines(seconds: float) -> dict[str, str]:
    return {"statement": f"{seconds * 1000:.0f}", "lock": f"{seconds * 500:.0f}"}


def _break(connection: Any) -> None:
    """Have a thread that waits for this connection of the driver's wake up with an error."""
    if hasattr(connection, "interrupt"):
        connection.interrupt()
        return
    with socket.socket(fileno=os.dup(connection.fileno())) as ours:
        ours.shutdown(socket.SHUT_RDWR)


def _engine(url: str, create: bool) -> Engine:
    parsed = make_url(url)
    if parsed.drivername in ("postgres", "postgresql"):
        parsed = parsed.set(drivername="postgresql+psycopg")
        try:
            limits = {"connect_timeout": CONNECT, "tcp_user_timeout": int(DEADLINE * 1000)}
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
