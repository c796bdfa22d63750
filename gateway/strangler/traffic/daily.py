"""How many callers of some routes come a day, for estimates of how long a rollout takes."""

from __future__ import annotations

from sqlalchemy import Connection, select

from strangler.observe.sketch import Sketch
from strangler.traffic import tables
from strangler.traffic.periods import DAY


def callers_a_day(connection: Connection, now: float, migration: str) -> float | None:
    """The mean number of callers a day of UTC, each counted once a day, with requests for the migration's routes.

    Of whole days alone: neither the first that was counted, as counting may have begun within it, nor
    the present one. None where there is no whole day.
    """
    columns = tables.callers.c
    today = int(now) // DAY
    days = connection.execute(select(columns.day).where(columns.day < today).distinct()).scalars().all()
    if len(days) < 2:
        return None
    first = int(min(days)) + 1
    chosen = (columns.day >= first, columns.day < today, columns.route.startswith(f"{migration}/", autoescape=True))
    daily: dict[int, Sketch] = {}
    for row in connection.execute(select(columns.day, columns.sketch).where(*chosen)):
        daily.setdefault(row.day, Sketch()).merge(row.sketch)
    return sum(sketch.count() for sketch in daily.values()) / (today - first)
