"""Publishing what is in the outbox, for as long as the service runs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial

import anyio.from_thread
import structlog
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from orders_service.broker import BrokerUnavailable, Publisher
from orders_service.database import Database
from orders_service.outbox import Message, clear, remove, take

AT_A_TIME = 100

log = structlog.get_logger(__name__)


class Relay:
    """`publisher` is None where there is no broker: then what would be published is forgotten."""

    def __init__(self, database: Database, publisher: Publisher | None) -> None:
        self._database = database
        self._publisher = publisher

    @contextlib.asynccontextmanager
    async def running(self, pause: float) -> AsyncIterator[None]:
        relaying = asyncio.create_task(self._keep_relaying(pause), name="relay the outbox")
        try:
            yield
        finally:
            relaying.cancel()
            await asyncio.gather(relaying, return_exceptions=True)
            if self._publisher is not None:
                await self._publisher.close()

    async def publish_once(self) -> int:
        """How many messages were published. Raises `BrokerUnavailable`; then they stay, and are published again."""
        if self._publisher is None:
            await self._database.write(clear)
            return 0
        if self._database.engine.dialect.name == "postgresql":
            # Held in one transaction, so that another relay leaves these out; each then has messages of its own.
            return await self._database.write(self._publish_locked)
        messages = await self._database.read(partial(take, limit=AT_A_TIME))
        published, error = await self._publish(messages)
        await self._database.write(partial(remove, messages=published))
        return _count(published, error)

    def _publish_locked(self, connection: Connection) -> int:
        """On a thread of the database's; publishing is the event loop's."""
        published, error = anyio.from_thread.run(self._publish, take(connection, AT_A_TIME))
        remove(connection, published)
        return _count(published, error)

    async def _publish(self, messages: list[Message]) -> tuple[list[Message], BrokerUnavailable | None]:
        """What the broker has confirmed, and why it is not all."""
        assert self._publisher is not None
        published: list[Message] = []
        for message in messages:
            try:
                await self._publisher.publish(message.id, message.body)
            except BrokerUnavailable as error:
                return published, error
            published.append(message)
        return published, None

    async def _keep_relaying(self, pause: float) -> None:
        while True:
            count = 0
            try:
                count = await self.publish_once()
            except (BrokerUnavailable, SQLAlchemyError) as error:
                log.warning("nothing published", reason=str(error))
            if count == 0:
                await asyncio.sleep(pause)


def _count(published: list[Message], error: BrokerUnavailable | None) -> int:
    if error is not None and not published:
        raise error
    return len(published)
