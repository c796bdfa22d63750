"""Writing counts of traffic to the store, and deleting what is older than a week."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, and_, delete, select

from strangler.observe.sketch import Sketch
from strangler.store.database import Database
from strangler.traffic import tables
from strangler.traffic.counts import DayOf, TrafficCounts
from strangler.traffic.periods import DAY, KEPT_DAYS


def write(database: Database, connection: Connection, counts: TrafficCounts) -> None:
    """Add `counts` to what is stored. Another gateway may do the same."""
    requests = [{"hour": key.hour, **key.labels._asdict(), "requests": count} for key, count in counts.requests.items()]
    database.add(connection, tables.requests, requests, ("requests",))
    callers = [_merged(connection, key, sketch) for key, sketch in counts.callers.items()]
    database.put(connection, tables.callers, callers)


def prune(connection: Connection, now: float) -> None:
    """Delete the days before the last week."""
    first = int(now) // DAY - KEPT_DAYS + 1
    connection.execute(delete(tables.requests).where(tables.requests.c.hour < first * 24))
    connection.execute(delete(tables.callers).where(tables.callers.c.day < first))


def _merged(connection: Connection, key: DayOf, sketch: Sketch) -> dict[str, Any]:
    columns = tables.callers.c
    names = key.labels._asdict()
    same = and_(columns.day == key.day, *(columns[name] == value for name, value in names.items()))
    stored = connection.execute(select(columns.sketch).where(same)).scalar()
    whole = Sketch(bytes(sketch.registers))
    if stored is not None:
        whole.merge(stored)
    return {"day": key.day, **names, "sketch": bytes(whole.registers)}
