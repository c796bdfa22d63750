"""Taking sagas on, step by step: at a customer's request, and in the background whatever was left.

Nothing is remembered here. What a step leads to is in the database before the next one begins, so a process that dies
between any two lines leaves a saga that another finds, and whose step it repeats.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog
from sqlalchemy.exc import SQLAlchemyError

from orders_service import saga as states
from orders_service.database import Database
from orders_service.event_store import load
from orders_service.order import Order
from orders_service.saga import Deadlines, Outcome, Saga, Unknown
from orders_service.saga_store import acquire, due_sagas, end_lease, find_saga, give_up, settle_step
from orders_service.steps import Steps

AT_A_TIME = 20

log = structlog.get_logger(__name__)

Step = Callable[[Order], Awaitable[Outcome]]


class SagaRunner:
    """Runs sagas against the services that `steps` calls."""

    def __init__(self, database: Database, steps: Steps, deadlines: Deadlines, lease: timedelta) -> None:
        self._database = database
        self._deadlines = deadlines
        self._lease = lease
        self._steps: dict[str, Step] = {
            states.RESERVING: steps.reserve,
            states.CHARGING: steps.charge,
            states.CONFIRMING: steps.commit,
            states.REFUNDING: steps.refund,
            states.RELEASING: steps.release,
        }

    async def run(self, saga_id: str) -> Saga:
        """The saga once it waits, has ended, or its step has no outcome yet."""
        if not await self._database.write(partial(acquire, saga_id=saga_id, lease=self._lease)):
            return await self._read(saga_id)
        try:
            saga = await self._read(saga_id)
            while True:
                if saga.is_late(datetime.now(UTC)) and saga.state in states.AFTER_DEADLINE:
                    saga = await self._turn_back(saga, f"{saga.state} took too long")
                if saga.state not in self._steps:
                    return saga
                outcome = await self._attempt(saga)
                work = partial(settle_step, left=saga, outcome=outcome, deadlines=self._deadlines)
                after = await self._database.write(work)
                log.info("saga step", saga=saga.id, step=saga.state, outcome=type(outcome).__name__, state=after.state)
                saga = after
                if isinstance(outcome, Unknown):
                    return saga
        finally:
            await self._database.write(partial(end_lease, saga_id=saga_id))

    async def abandon(self, saga: Saga, reason: str) -> Saga:
        """Turn back from a step whose customer gets an error; undoing it is left to the background."""
        return await self._turn_back(saga, reason)

    async def keep_running(self, pause: float) -> None:
        """Take on what is due, every `pause` seconds; runs until it is cancelled."""
        while True:
            try:
                due = await self._database.read(partial(due_sagas, limit=AT_A_TIME))
                for outcome in await asyncio.gather(*map(self.run, due), return_exceptions=True):
                    if isinstance(outcome, BaseException):
                        log.error("saga failed", exc_info=outcome)
            except SQLAlchemyError as error:
                log.warning("database not reachable", reason=str(error))
            await asyncio.sleep(pause)

    async def _attempt(self, saga: Saga) -> Outcome:
        order = await self._database.read(partial(load, order_id=saga.id))
        if saga.is_late(datetime.now(UTC)):
            log.error("saga overdue", saga=saga.id, state=saga.state, attempts=saga.attempts, reason=saga.last_error)
        return await self._steps[saga.state](order)

    async def _turn_back(self, saga: Saga, reason: str) -> Saga:
        return await self._database.write(partial(give_up, left=saga, reason=reason, deadlines=self._deadlines))

    async def _read(self, saga_id: str) -> Saga:
        saga = await self._database.read(partial(find_saga, saga_id=saga_id))
        assert saga is not None, "a saga is never deleted"
        return saga
