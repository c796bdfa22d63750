"""A store with counts of traffic."""

from __future__ import annotations

import asyncio

from strangler.store.database import Database
from strangler.traffic import tables
from strangler.traffic.counts import TrafficCounts
from strangler.traffic.storing import write


def fill_store(url: str, counts: TrafficCounts) -> None:
    """Write `counts` to the store at `url`, as a control process does."""
    database = Database(url, tables.metadata)
    asyncio.run(database.write(lambda connection: write(database, connection, counts)))
    database.close()
