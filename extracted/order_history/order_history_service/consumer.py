"""Messages from the broker to the projection, through FastStream.

All processes of the service are one consumer group (a durable pull consumer): each message goes to one of them. It is
acknowledged once its transaction has committed. If that fails, the broker sends it again after a delay that grows.
After `DELIVERIES` attempts, or at once if it is malformed, the message becomes a dead letter.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial

import structlog
from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, NatsMessage, PullSub
from nats.errors import Error
from nats.js.api import AckPolicy as JetStreamAckPolicy
from nats.js.api import ConsumerConfig, DeliverPolicy
from prometheus_client import CollectorRegistry, Counter, Gauge
from sqlalchemy.exc import SQLAlchemyError

from order_history_service.database import Database
from order_history_service.dead_letters import bury
from order_history_service.projection import MalformedMessage, apply, read_message

STREAM = "SHOP"
SUBJECTS = "shop.>"
TOPIC = "shop.orders"
GROUP = "order_history"

BATCH = 50
ACK_WAIT = 30.0
"""Seconds after which a message that was neither acknowledged nor refused goes to another process."""
DELIVERIES = 10
LONGEST_DELAY = 60.0

log = structlog.get_logger(__name__)


class Consumer:
    def __init__(self, database: Database, url: str, registry: CollectorRegistry) -> None:
        self._database = database
        self._broker = NatsBroker(
            url, logger=None, connect_timeout=1, max_reconnect_attempts=-1, reconnect_time_wait=1, graceful_timeout=2.0
        )
        self._lag = Gauge(
            "order_history_lag_seconds", "Between an event and its entry, of the last one", registry=registry
        )
        self._messages = Counter(
            "order_history_messages_total",
            "Messages by outcome: new, repeated, failed, dead",
            ["outcome"],
            registry=registry,
        )
        config = ConsumerConfig(
            ack_policy=JetStreamAckPolicy.EXPLICIT, ack_wait=ACK_WAIT, deliver_policy=DeliverPolicy.ALL
        )
        subscribed = self._broker.subscriber(
            TOPIC,
            stream=JStream(STREAM, subjects=[SUBJECTS]),
            durable=GROUP,
            pull_sub=PullSub(batch_size=BATCH, timeout=0.2),
            ack_policy=AckPolicy.MANUAL,
            config=config,
            decoder=_undecoded,
        )
        subscribed(self._receive)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Connected, or trying to, until the context ends."""
        connecting = asyncio.create_task(self._connect(), name="connect to the broker")
        try:
            yield
        finally:
            connecting.cancel()
            await asyncio.gather(connecting, return_exceptions=True)
            await self._broker.stop()

    async def _connect(self) -> None:
        while True:
            try:
                await self._broker.start()
            except (Error, OSError) as error:
                log.warning("broker not reachable", reason=f"{type(error).__name__} {error}".rstrip())
                await asyncio.sleep(1.0)
            else:
                return

    async def _receive(self, body: bytes, message: NatsMessage) -> None:
        try:
            entry = read_message(body)
            new = await self._database.write(partial(apply, entry=entry))
        except MalformedMessage as error:
            await self._bury(message, body, str(error))
        except SQLAlchemyError as error:
            await self._refuse(message, body, error)
        else:
            self._messages.labels("new" if new else "repeated").inc()
            self._lag.set(max(0.0, (datetime.now(UTC) - entry.occurred_at).total_seconds()))
            await message.ack()

    async def _refuse(self, message: NatsMessage, body: bytes, error: SQLAlchemyError) -> None:
        deliveries = message.raw_message.metadata.num_delivered
        log.warning("message not applied", deliveries=deliveries, reason=str(error))
        self._messages.labels("failed").inc()
        if deliveries >= DELIVERIES:
            await self._bury(message, body, str(error))
        else:
            await message.nack(delay=min(LONGEST_DELAY, 0.2 * 2**deliveries))

    async def _bury(self, message: NatsMessage, body: bytes, error: str) -> None:
        """Acknowledged only if it is kept; else the broker sends it again."""
        text = body.decode("utf-8", "replace")
        await self._database.write(partial(bury, message_id=message.correlation_id or "", body=text, error=error))
        log.error("message became a dead letter", id=message.correlation_id, reason=error)
        self._messages.labels("dead").inc()
        await message.ack()


async def _undecoded(message: NatsMessage) -> bytes:
    return bytes(message.body)
