"""All databases of a shadow copy are rolled back.

Every connection has a wrapper around its statements, which does nothing for clients' own requests. In a shadow copy
it refuses statements that end the transaction or that can't be rolled back, and every write through a connection that
the guard does not roll back: one of a thread or a task that outlives the copy.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from django.db import Error, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.transaction import Atomic

from django_strangler.conf import options
from django_strangler.guard.guard import Guard, current_guard


class NotUndone(Exception):
    """A shadow copy's transaction did not last until its end, so that something may have been committed."""


_COMMENTS = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_ENDS = re.compile(
    r"(?:^|;)\s*(?:COMMIT|END|ABORT|BEGIN|START\s+TRANSACTION|PREPARE\s+TRANSACTION|ROLLBACK(?!\s+(?:WORK\s+|"
    r"TRANSACTION\s+)?TO\b)|SET\s+SESSION\s+CHARACTERISTICS|SET\s+AUTOCOMMIT|"
    # MySQL and Oracle commit before and after these; SQLite's can't run in a transaction.
    r"CREATE|ALTER|DROP|TRUNCATE|RENAME|GRANT|REVOKE|VACUUM|REINDEX|ATTACH|DETACH|LOCK|UNLOCK|"
    r"COPY\b[^;]*\bTO|CALL|DO|LISTEN|NOTIFY)\b",
    re.IGNORECASE,
)
_READS = re.compile(r"\s*(?:SELECT|SHOW|EXPLAIN|SAVEPOINT|RELEASE|ROLLBACK\s+TO|PRAGMA\s+\w+\s*\Z)\b", re.IGNORECASE)


def watch(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Put the wrapper around the statements of a new connection, once."""
    if _checked not in connection.execute_wrappers:
        connection.execute_wrappers.append(_checked)


def _checked(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
    guard = current_guard()
    if guard is not None:
        _check(guard, _text_of(sql, context), context["connection"])
    return execute(sql, params, many, context)


def _text_of(sql: Any, context: dict[str, Any]) -> str:
    """The statement as text; psycopg composes statements of parts (`sql.SQL`)."""
    if isinstance(sql, str):
        return sql
    if isinstance(sql, bytes):
        return sql.decode(errors="replace")
    return str(sql.as_string(context["connection"].connection)) if hasattr(sql, "as_string") else str(sql)


def _check(guard: Guard, sql: str, connection: BaseDatabaseWrapper) -> None:
    bare = _COMMENTS.sub(" ", sql).lstrip()
    if id(connection) not in guard.connections and not _READS.match(bare):
        raise guard.refuse("database", f"write through the connection {connection.alias} of another thread or task")
    if _ENDS.search(bare):
        raise guard.refuse("database", f"execute {bare.split(None, 1)[0].upper()}, which can't be rolled back")


@contextmanager
def rolled_back(guard: Guard) -> Iterator[None]:
    """Run in a transaction on every database, and roll all of them back.

    `on_commit` functions are discarded with the transactions. A view's own `atomic`, also `durable`, is a savepoint.
    """
    with ExitStack() as undo:
        for alias in connections:
            _enter(undo, guard, alias)
        yield


def _enter(undo: ExitStack, guard: Guard, alias: str) -> None:
    connection = connections[alias]
    connection.ensure_connection()
    watch(connection)
    block = Atomic(alias, savepoint=True, durable=False)
    # As in Django's own TestCase: a durable block inside of this one is allowed.
    block._from_testcase = True  # type: ignore[attr-defined]
    undo.enter_context(block)
    undo.callback(transaction.set_rollback, True, using=alias)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            milliseconds = int(options().guard_statement * 1000)
            cursor.execute(f"SET LOCAL statement_timeout = {milliseconds}; SET LOCAL lock_timeout = {milliseconds}")
    savepoint = connection.savepoint()
    guard.connections.add(id(connection))
    undo.callback(_prove_undone, connection, savepoint)
    undo.callback(guard.connections.discard, id(connection))


def _prove_undone(connection: BaseDatabaseWrapper, savepoint: str | None) -> None:
    """Return to the savepoint of the beginning. Raises NotUndone if a commit, by whatever way, has ended it."""
    if savepoint is None:
        return
    connection.needs_rollback = False
    try:
        connection.savepoint_rollback(savepoint)
    except Error as error:
        raise NotUndone(f"the transaction on {connection.alias} ended before the copy did: {error}") from error
    finally:
        connection.needs_rollback = True
