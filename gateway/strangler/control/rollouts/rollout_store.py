"""The store of rollouts as the control process uses it: opened when it is needed, each piece of work in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TypeVar

from sqlalchemy.engine import Connection

from strangler.control.rollouts.caller_store import UnwrittenCallers, retain_callers, write_callers
from strangler.control.rollouts.measured import Stored, read_stored
from strangler.control.rollouts.plans import RolloutPlan
from strangler.control.rollouts.record_store import WorkersOf, retain_records, write_workers
from strangler.control.rollouts.tables import metadata
from strangler.shadow.evidence.tables import metadata as shadow_metadata
from strangler.store.database import Database

Result = TypeVar("Result")

DEADLINE = 5.0
"""Seconds that a piece of work may take."""


class RolloutStore:
    """The database at `url`. Everything raises StoreError."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._database: Database | None = None

    async def open(self) -> None:
        """Open the database and create missing tables; does nothing where it is open."""
        if self._database is None:
            self._database = await asyncio.to_thread(self._opened)

    def _opened(self) -> Database:
        database = Database(self.url, metadata, deadline=DEADLINE)
        # The judge creates them as well, once something is shadowed.
        database.read(shadow_metadata.create_all)
        return database

    async def close(self) -> None:
        """Close the database."""
        database, self._database = self._database, None
        if database is not None:
            await asyncio.to_thread(database.close)

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        """The result of `work`, which reads."""
        await self.open()
        assert self._database is not None
        return await asyncio.to_thread(self._database.read, work)

    async def write(self, work: Callable[[Database, Connection], Result]) -> Result:
        """The result of `work`, which writes in one transaction."""
        await self.open()
        database = self._database
        assert database is not None
        return await database.write(lambda connection: work(database, connection))

    async def read_stored(self, plans: Mapping[str, RolloutPlan], now: float, before: Stored | None = None) -> Stored:
        """All that a turn needs; `before` is what the turn before has read. Raises RecordError as well."""
        traffic = None if before is None else before.traffic
        return await self.read(lambda connection: read_stored(connection, plans, now, traffic))

    async def report(self, gateway: str, workers: dict[str, WorkersOf], callers: UnwrittenCallers, now: float) -> None:
        """Write what this gateway's workers serve by, and what they have counted."""

        def work(database: Database, connection: Connection) -> None:
            write_workers(database, connection, gateway, workers, now)
            write_callers(database, connection, callers, now)

        await self.write(work)

    async def retain(self, plans: Mapping[str, RolloutPlan], now: float) -> None:
        """Delete what is kept no longer."""

        def work(_: Database, connection: Connection) -> None:
            retain_callers(connection, now)
            retain_records(connection, plans, now)

        await self.write(work)
