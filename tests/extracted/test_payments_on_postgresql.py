"""The payments service's transactions on PostgreSQL, and its leases there and in Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

pytest.importorskip("payments_service", reason="the payments service is not in this checkout")

from payments_service.charges import Wanted
from payments_service.database import Database, open_engine
from payments_service.leases import DatabaseLeases, Leases, RedisLeases
from payments_service.migrate import migrate
from payments_service.schema import metadata
from payments_service.store import begin_charge, begin_refund, confirm_charge, first_time

from tests.e2e.redis_server import PROGRAM, RedisServer

pytestmark = pytest.mark.anyio
WANTED = Wanted(2500, "EUR", "card")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def url(postgresql: str) -> str:
    engine = open_engine(postgresql)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE SCHEMA payments"))
    engine.dispose()
    url = f"{postgresql}?options=-csearch_path%3Dpayments"
    engine = open_engine(url)
    migrate(engine)
    for table in metadata.tables.values():
        found = {column["name"]: column["nullable"] for column in sa.inspect(engine).get_columns(table.name)}
        assert found == {column.name: column.nullable for column in table.c}
    engine.dispose()
    return url


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    database = Database(url, 8)
    yield database
    await database.close()


async def test_a_key_that_comes_many_times_at_once_is_one_charge(database: Database) -> None:
    begun = await asyncio.gather(*(database.write(partial(begin_charge, key="once", wanted=WANTED)) for _ in range(20)))
    assert [new for _, new in begun].count(True) == 1


async def test_of_a_charge_and_a_refund_at_once_the_money_is_never_kept(database: Database) -> None:
    keys = [f"key-{number}" for number in range(20)]
    work = [
        partial(function, key=key) for key in keys for function in (partial(begin_charge, wanted=WANTED), begin_refund)
    ]
    await asyncio.gather(*(database.write(each) for each in work), return_exceptions=True)
    confirmed = [await database.write(partial(confirm_charge, key=key, provider_id="ch-1")) for key in keys]
    assert {charge.status for charge in confirmed} <= {"refunding", "voided"}


async def test_a_webhook_that_comes_many_times_at_once_is_new_once(database: Database) -> None:
    new = await asyncio.gather(*(database.write(partial(first_time, webhook_id="ev-1")) for _ in range(20)))
    assert new.count(True) == 1


@pytest.mark.parametrize("place", ["database", "redis"])
async def test_a_lease_is_of_one_until_it_ends_or_runs_out(database: Database, tmp_path: Path, place: str) -> None:
    if place == "redis" and PROGRAM is None:
        pytest.skip("redis-server is not installed")
    async with AsyncExitStack() as stack:
        if place == "redis":
            server = stack.enter_context(RedisServer(tmp_path))
            leases: list[Leases] = [RedisLeases(server.url, seconds) for seconds in (60, 60, 0.05)]
        else:
            leases = [DatabaseLeases(database, seconds) for seconds in (60, 60, 0.05)]
        first, second, short = leases
        await database.write(partial(begin_charge, key="leased", wanted=WANTED))
        taken = await asyncio.gather(*(lease.acquire("leased") for lease in (first, second) * 5))
        assert taken.count(True) == 1
        await (first if taken[0::2].count(True) else second).end("leased")
        assert await short.acquire("leased")
        await asyncio.sleep(0.1)
        assert await second.acquire("leased")
        for lease in leases:
            await lease.close()


async def test_without_redis_the_service_goes_on() -> None:
    leases = RedisLeases("redis://127.0.0.1:1/0", 60)
    assert await leases.acquire("any")
    await leases.end("any")
    await leases.close()
