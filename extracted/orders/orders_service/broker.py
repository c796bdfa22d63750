"""The message broker, by `BROKER_URL`; FastStream speaks to it. So far: NATS JetStream, `nats://host:port`.

The broker keeps what it has confirmed. The relay repeats what was not, so receivers get some messages twice.
"""

from __future__ import annotations

import asyncio
import json
from typing import Protocol

from faststream.nats import JStream, NatsBroker
from nats.errors import Error

STREAM = "SHOP"
SUBJECTS = "shop.>"
TOPIC = "shop.orders"

TIMEOUT = 5.0
"""Seconds for the broker to confirm a message, connecting included."""


class BrokerUnavailable(Exception):
    """The broker did not confirm; the message may be published, or not."""


class Publisher(Protocol):
    async def publish(self, message_id: str, body: str) -> None:
        """Return once the broker has stored the message. Raises `BrokerUnavailable`."""

    async def close(self) -> None:
        """End the connection."""


class NatsPublisher:
    """Connects when it first publishes, and again whenever the connection is lost."""

    def __init__(self, url: str) -> None:
        self._broker = NatsBroker(
            url,
            logger=None,
            connect_timeout=1,
            max_reconnect_attempts=-1,
            reconnect_time_wait=1,
            graceful_timeout=1.0,
        )
        self._publisher = self._broker.publisher(TOPIC, stream=JStream(STREAM, subjects=[SUBJECTS]))
        self._started = False

    async def publish(self, message_id: str, body: str) -> None:
        try:
            async with asyncio.timeout(TIMEOUT):
                if not self._started:
                    await self._broker.start()
                    self._started = True
                # JetStream itself drops a message whose id it has had within two minutes.
                headers = {"Nats-Msg-Id": message_id}
                await self._publisher.publish(json.loads(body), headers=headers, correlation_id=message_id)
        except (Error, OSError, TimeoutError) as error:
            raise BrokerUnavailable(f"{type(error).__name__} {error}".rstrip()) from error

    async def close(self) -> None:
        await self._broker.stop()
