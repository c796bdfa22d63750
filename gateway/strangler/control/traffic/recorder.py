"""Counts the requests and callers of each route, and writes them to the store once a minute.

Only where the configuration names a store, or a migration is rolled out: a
gateway that keeps nothing else makes no database for it. A store that is away
delays the counts, and loses the oldest beyond a bound.
"""

from __future__ import annotations

import asyncio
from time import time

import structlog

from strangler.config.load import Loaded
from strangler.observe.route_callers import RouteLabels
from strangler.observe.worker_report import WorkerReport
from strangler.store.database import Database, StoreError
from strangler.traffic.counts import TrafficCounts
from strangler.traffic.periods import HOUR
from strangler.traffic.storing import prune, write
from strangler.traffic.tables import metadata
from strangler.traffic.week import Week, read_week

log = structlog.get_logger(part="traffic")

INTERVAL = 60.0
"""Seconds between two writes."""


class TrafficRecorder:
    """The counts of all workers, and the store that they go to."""

    def __init__(self) -> None:
        self._counts = TrafficCounts()
        self._url: str | None = None
        self._database: Database | None = None
        self._opened = ""
        self._pruned = -1
        self._error: str | None = None

    def apply(self, loaded: Loaded) -> None:
        """Keep the counts where this configuration says."""
        kept = "store" in loaded.model.model_fields_set or any(
            migration.rolled_out for migration in loaded.snapshot.migrations.values()
        )
        self._url = loaded.snapshot.store.url if kept else None
        if self._url is None:
            self._counts = TrafficCounts()

    def add(self, report: WorkerReport) -> None:
        """Add one worker's report."""
        if self._url is None:
            return
        requests: dict[RouteLabels, int] = {}
        for (route, side, upstream, _), figures in report.requests.items():
            if upstream:
                labels = RouteLabels(route, side, upstream)
                requests[labels] = requests.get(labels, 0) + figures.requests
        if requests:
            self._counts.add_requests(requests, time())
        if report.route_callers is not None and report.route_callers.sketches:
            self._counts.add_callers(report.route_callers)

    async def run(self) -> None:
        """Write once a minute, until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL)
            await self.write()

    async def write(self) -> None:
        """Write what was counted; a failure is logged once, and tried again the next time."""
        url, counts = self._url, self._counts
        if url is None or not counts:
            return
        self._counts = TrafficCounts()
        try:
            await self._store(url, counts)
        except Exception as error:
            self._counts.merge(counts)
            if str(error) != self._error:
                log.warning("counts of traffic can't be stored", error=str(error), dropped=self._counts.dropped)
            self._error = str(error)
        else:
            self._error = None

    async def week(self) -> Week:
        """The last week, with what is not written yet. Raises StoreError."""
        url = self._url
        if url is None:
            raise StoreError("no traffic is counted: the configuration names no store")
        await self.write()
        return await (await asyncio.to_thread(self._open, url)).write(lambda connection: read_week(connection, time()))

    async def _store(self, url: str, counts: TrafficCounts) -> None:
        database = await asyncio.to_thread(self._open, url)
        now = time()
        hour = int(now) // HOUR
        await database.write(lambda connection: write(database, connection, counts))
        if hour != self._pruned:
            await database.write(lambda connection: prune(connection, now))
            self._pruned = hour

    def _open(self, url: str) -> Database:
        if self._database is None or self._opened != url:
            if self._database is not None:
                self._database.close()
            self._database = None
            self._database, self._opened = Database(url, metadata), url
        return self._database

    async def finish(self) -> None:
        """Write the rest, and close the store."""
        await self.write()
        if self._database is not None:
            await asyncio.to_thread(self._database.close)
