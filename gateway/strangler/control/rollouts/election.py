"""Which of several gateways on one store has the controller.

With SQLite the one that holds a lock on a file beside the database; with
PostgreSQL the one whose session holds an advisory lock. Both end with their
process, so that another gateway goes on within seconds. That two believe to lead
(behind a pooler, say) is possible and harmless: only one can save (`record_store`).
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from sqlalchemy import make_url

from strangler.store.database import StoreError, break_connection

ADVISORY_LOCK = 0x5374_7261_6E67_6C65
"""The key of the lock in PostgreSQL, which is for this database alone."""
CONNECT = 3
DEADLINE = 3.0
"""Seconds for a question to PostgreSQL, after which the session is broken off on this side."""
_KEEPALIVES: Any = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 5000}
"""The session, and with it the lock, ends about ten seconds after its machine is gone."""


class Candidacy(Protocol):
    """One gateway's part in an election."""

    def leads(self) -> bool:
        """Whether this gateway leads now, after it has tried. May wait for the store; raises StoreError."""

    def resign(self) -> None:
        """Lead no more, so that another can."""


def candidacy(url: str) -> Candidacy:
    """A candidacy for the store at `url`."""
    parsed = make_url(url)
    if parsed.drivername.startswith("sqlite"):
        return FileCandidacy(f"{parsed.database}.rollout.lock")
    return SessionCandidacy(url)


class FileCandidacy:
    """Holds a lock on the file at `path`, which ends with the process; children do not inherit it."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor: int | None = None

    def leads(self) -> bool:
        """Whether this process holds the lock now. Raises StoreError."""
        if self._descriptor is not None:
            return True
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"{self._path}: {error.strerror}") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def resign(self) -> None:
        """Give the lock back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class SessionCandidacy:
    """Holds an advisory lock in a session of its own."""

    def __init__(self, url: str) -> None:
        self._url = make_url(url).set(drivername="postgresql")
        self._session: Any = None
        self._holds = False

    def leads(self) -> bool:
        """Whether the session lives and holds the lock. Raises StoreError."""
        try:
            import psycopg
        except ImportError as error:
            raise StoreError(f"{error}: install strangler-gateway[postgresql]") from None
        try:
            if self._session is None:
                self._session = psycopg.connect(
                    self._url.render_as_string(hide_password=False),
                    autocommit=True,
                    connect_timeout=CONNECT,
                    application_name="strangler rollout controller",
                    **_KEEPALIVES,
                )
                with _within_deadline(self._session):
                    for name, value in (("idle", 5), ("interval", 2), ("count", 3)):
                        self._session.execute(f"SET tcp_keepalives_{name} = {value}")
            with _within_deadline(self._session):
                if self._holds:
                    self._session.execute("SELECT 1")
                else:
                    found = self._session.execute("SELECT pg_try_advisory_lock(%s)", (ADVISORY_LOCK,)).fetchone()
                    self._holds = bool(found and found[0])
        except psycopg.Error as error:
            self.resign()
            raise StoreError(f"{self._url.render_as_string()}: {str(error).strip()}") from error
        return self._holds

    def resign(self) -> None:
        """End the session."""
        session, self._session = self._session, None
        self._holds = False
        if session is not None:
            session.close()


@contextmanager
def _within_deadline(session: Any) -> Iterator[None]:
    """Break the session off when the time is over, so that a server that is stopped holds no thread."""

    def break_off() -> None:
        with suppress(Exception):  # it is closed already
            break_connection(session)

    timer = threading.Timer(DEADLINE, break_off)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
