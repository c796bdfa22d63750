"""Counts of traffic reach the store where the configuration names one, and wait while it is away."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from strangler.config.load import Loaded, load
from strangler.control.traffic.recorder import TrafficRecorder
from strangler.observe.counters import BUCKETS
from strangler.observe.route_callers import RouteCallers, RouteLabels
from strangler.observe.worker_report import RequestFigures, WorkerReport
from strangler.store.database import StoreError

BASE = "version: 1\nupstreams: {shop: {endpoints: 'http://127.0.0.1:1'}}\ndefault: shop\n"
STORE = "store: {url: 'sqlite:///store/file.sqlite3'}\n"


def loaded(folder: Path, text: str) -> Loaded:
    file = folder / "gateway.yaml"
    file.write_text(BASE + text)
    return load(file, {})


def report(requests: int, caller: str = "user-1") -> WorkerReport:
    """A worker's report of so many requests of one caller, and of one that was refused before routing."""
    figures = RequestFigures(requests, 0.1, 100, [0] * (len(BUCKETS) + 1))
    callers = RouteCallers()
    callers.see(callers.known("", "", "shop"), "", "", "shop", caller)
    counted = {("", "", "shop", 200): figures, ("", "", "shop", 404): figures, ("", "", "", 400): figures}
    return WorkerReport(requests=counted, route_callers=callers.take())


def test_reports_are_stored_and_read_as_a_week(tmp_path: Path) -> None:
    async def main() -> None:
        recorder = TrafficRecorder()
        recorder.apply(loaded(tmp_path, STORE))
        recorder.add(report(3))
        await recorder.write()
        recorder.add(report(4, "user-2"))
        week = await recorder.week()
        assert week.requests == {RouteLabels("", "", "shop"): 14}
        assert week.callers_of().count() == 2
        await recorder.finish()

    asyncio.run(main())


def test_without_a_store_nothing_is_counted(tmp_path: Path) -> None:
    async def main() -> None:
        recorder = TrafficRecorder()
        recorder.apply(loaded(tmp_path, ""))
        recorder.add(report(3))
        await recorder.write()
        with pytest.raises(StoreError, match="the configuration names no store"):
            await recorder.week()
        await recorder.finish()

    asyncio.run(main())
    assert sorted(tmp_path.iterdir()) == [tmp_path / "gateway.yaml"]


def test_a_store_that_is_away_delays_the_counts(tmp_path: Path) -> None:
    async def main() -> None:
        recorder = TrafficRecorder()
        recorder.apply(loaded(tmp_path, STORE))
        (tmp_path / "store").write_text("not a folder")
        with capture_logs() as logs:
            for _ in range(2):
                recorder.add(report(1))
                await recorder.write()
        assert [line["event"] for line in logs] == ["counts of traffic can't be stored"]
        (tmp_path / "store").unlink()
        assert (await recorder.week()).requests_of() == 4
        await recorder.finish()

    asyncio.run(main())
