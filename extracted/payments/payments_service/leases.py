"""Who may talk to the provider about a charge: one process at a time, for a while.

The provider dedupes by idempotency key, so two at once would do no harm; a lease spares it, and keeps the requests of
impatient callers from adding up. The lease is in Redis where `REDIS_URL` is set, else in the charge's row. It ends by
itself if its holder dies; if Redis is away, the service goes on without.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Protocol

import redis.asyncio
import sqlalchemy as sa
import structlog
from redis.exceptions import RedisError
from sqlalchemy.engine import Connection

from payments_service.database import Database
from payments_service.schema import charges

# Only the holder ends its lease: it may have run out, and be another's by now.
END = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end"

log = structlog.get_logger(__name__)


class Leases(Protocol):
    async def acquire(self, key: str) -> bool:
        """Whether the charge is now this process's."""

    async def end(self, key: str) -> None:
        """Give it up."""

    async def close(self) -> None: ...


class DatabaseLeases:
    def __init__(self, database: Database, seconds: float) -> None:
        self._database = database
        self._length = timedelta(seconds=seconds)

    async def acquire(self, key: str) -> bool:
        def work(connection: Connection) -> bool:
            now = datetime.now(UTC)
            free = sa.or_(charges.c.leased_until.is_(None), charges.c.leased_until < now)
            leased = sa.update(charges).where(charges.c.key == key, free).values(leased_until=now + self._length)
            return connection.execute(leased).rowcount == 1

        return await self._database.write(work)

    async def end(self, key: str) -> None:
        ended = sa.update(charges).where(charges.c.key == key).values(leased_until=None)
        await self._database.write(lambda connection: connection.execute(ended) and None)

    async def close(self) -> None:
        """The database is not this object's to close."""


class RedisLeases:
    def __init__(self, url: str, seconds: float) -> None:
        self._redis = redis.asyncio.Redis.from_url(url, socket_timeout=1.0, socket_connect_timeout=1.0)
        self._milliseconds = int(seconds * 1000)
        self._holder = uuid.uuid4().hex

    async def acquire(self, key: str) -> bool:
        try:
            taken = await self._redis.set(_name(key), self._holder, nx=True, px=self._milliseconds)
        except RedisError as error:
            log.warning("going on without a lease: Redis is not reachable", reason=str(error))
            return True
        return bool(taken)

    async def end(self, key: str) -> None:
        try:
            await self._redis.eval(END, 1, _name(key), self._holder)
        except RedisError as error:
            log.warning("a lease is left to run out: Redis is not reachable", reason=str(error))

    async def close(self) -> None:
        await self._redis.aclose()


def _name(key: str) -> str:
    return f"payments:lease:{key}"
