"""Sagas at a customer's request."""

from __future__ import annotations

import uuid
from datetime import timedelta
from functools import partial

from sqlalchemy.engine import Connection

from orders_service import saga as states
from orders_service.database import Database
from orders_service.events import OrderPlaced
from orders_service.saga import Deadlines, Saga
from orders_service.saga_runner import SagaRunner
from orders_service.saga_store import begin, request_payment


class Sagas:
    """Beginning sagas, and taking them on at once as far as they go."""

    def __init__(self, database: Database, runner: SagaRunner, deadlines: Deadlines, lease: timedelta) -> None:
        self._database = database
        self._runner = runner
        self._deadlines = deadlines
        self._lease = lease

    async def place(self, placed: OrderPlaced) -> Saga:
        """The saga once its stock is reserved, or it is cancelled or on its way back."""
        saga_id = uuid.uuid4().hex
        work = partial(begin, saga_id=saga_id, placed=placed, deadlines=self._deadlines, lease=self._lease)
        await self._database.write(work)
        saga = await self._runner.run(saga_id)
        # Its customer is told that it failed, and would order again.
        return await self._runner.abandon(saga, "unavailable") if saga.state == states.RESERVING else saga

    async def pay(self, saga_id: str, method: str) -> Saga | None:
        """The saga once it is paid, declined, or not known yet to be either; None if it can't be paid."""

        def work(connection: Connection) -> Saga | None:
            return request_payment(connection, saga_id, method, self._deadlines, self._lease)

        requested = await self._database.write(work)
        return None if requested is None else await self._runner.run(saga_id)
