"""Counts of traffic in the store: summed by several gateways, pruned after a week, and read as a week."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from strangler.observe.route_callers import RouteCallersReport, RouteLabels
from strangler.observe.sketch import Sketch
from strangler.store.database import Database
from strangler.traffic import counts as traffic_counts
from strangler.traffic import tables
from strangler.traffic.counts import TrafficCounts
from strangler.traffic.periods import DAY, HOUR, HOURS
from strangler.traffic.storing import prune, write
from strangler.traffic.week import WeekError, as_document, from_document, read_week
from tests.plan.configurations import sketch, week
from tests.store.postgresql_server import postgresql_server, programs

NOW = 20_000.5 * DAY
LEGACY, EXTRACTED = RouteLabels("items/all", "legacy", "old"), RouteLabels("items/all", "extracted", "new")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> Iterator[str | None]:
    if request.param == "sqlite":
        yield None
        return
    if programs() is None:
        pytest.skip("PostgreSQL is not installed")
    with postgresql_server() as url:
        yield url


@pytest.fixture
def database(tmp_path: Path, url: str | None) -> Iterator[Database]:
    found = Database(url or f"sqlite:///{tmp_path}/store.sqlite3", tables.metadata)
    yield found
    asyncio.run(found.write(lambda connection: tables.metadata.drop_all(connection)))
    found.close()


def counted(requests: dict[RouteLabels, int], callers: Sketch, now: float = NOW) -> TrafficCounts:
    counts = TrafficCounts()
    counts.add_requests(requests, now)
    counts.add_callers(RouteCallersReport(int(now) // DAY, {labels: bytes(callers.registers) for labels in requests}))
    return counts


def store(database: Database, *written: TrafficCounts) -> None:
    for counts in written:
        asyncio.run(database.write(lambda connection, counts=counts: write(database, connection, counts)))


def test_several_gateways_add_to_the_same_counts(database: Database) -> None:
    store(database, counted({LEGACY: 5, EXTRACTED: 1}, sketch(0, 300)), counted({LEGACY: 7}, sketch(200, 500)))
    found = database.read(lambda connection: read_week(connection, NOW))
    assert found.requests == {LEGACY: 12, EXTRACTED: 1}
    assert found.callers_of(lambda labels: labels.side == "legacy").count() == pytest.approx(500, rel=0.1)
    assert found.requests_of() == 13
    assert (found.hourly[-1], sum(found.hourly), found.recorded) == (13, 13, 1)


def test_a_week_has_the_hours_and_days_in_it(database: Database) -> None:
    ages = (0, 1, 167, 168, 400)
    store(database, *(counted({LEGACY: 1}, sketch(age, age + 1), NOW - age * HOUR) for age in ages))
    found = database.read(lambda connection: read_week(connection, NOW))
    assert found.requests == {LEGACY: 3}
    assert [place for place, count in enumerate(found.hourly) if count] == [0, 166, 167]
    assert found.recorded == HOURS


def test_older_counts_are_deleted(database: Database) -> None:
    store(database, *(counted({LEGACY: 1}, sketch(0, 9), NOW - days * DAY) for days in range(12)))
    asyncio.run(database.write(lambda connection: prune(connection, NOW)))
    for table in (tables.requests, tables.callers):
        stored = database.read(
            lambda connection, table=table: connection.scalar(select(func.count()).select_from(table))
        )
        assert stored == 8


def test_counts_that_wait_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic_counts, "MOST_REQUESTS", 10)
    monkeypatch.setattr(traffic_counts, "MOST_SKETCHES", 3)
    counts = TrafficCounts()
    for hour in range(30):
        counts.merge(counted({LEGACY: 1}, sketch(0, 9), NOW + hour * HOUR))
    assert [key.hour for key in counts.requests] == [int(NOW) // HOUR + hour for hour in range(20, 30)]
    assert len(counts.callers) <= 3
    assert counts.dropped == 20


def test_a_week_survives_json() -> None:
    before = week()
    after = from_document(as_document(before))
    assert (after.requests, after.hourly, after.until) == (before.requests, before.hourly, before.until)
    assert {labels: each.registers for labels, each in after.callers.items()} == {
        labels: each.registers for labels, each in before.callers.items()
    }


@pytest.mark.parametrize(
    "change",
    [{"hourly": [1]}, {"until": "x"}, {"requests": [{}]}, {"callers": [{"route": "", "side": "", "upstream": ""}]}],
)
def test_something_else_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(WeekError, match="not a week of traffic"):
        from_document(as_document(week()) | change)
    with pytest.raises(WeekError):
        from_document([])
