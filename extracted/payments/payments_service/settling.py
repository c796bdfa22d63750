"""Learning from the provider how charges and refunds end, and noting it: at a request, and again in the background.

The row is written before the provider hears of a charge, so that after a crash at any line the charge is found
unsettled, and asked about again with the key that the provider knows it by.
"""

from __future__ import annotations

import asyncio
import uuid
from functools import partial

import structlog
from sqlalchemy.exc import SQLAlchemyError

from payments_service import bug
from payments_service.charges import PENDING, REFUNDING, Charge
from payments_service.database import Database
from payments_service.leases import Leases
from payments_service.provider import Provider, ProviderRefused, ProviderUnavailable
from payments_service.store import (
    confirm_charge,
    confirm_refund,
    current,
    decline_charge,
    due_keys,
    postpone,
)

AT_A_TIME = 20

log = structlog.get_logger(__name__)


class Settling:
    """Moves unsettled charges on."""

    def __init__(self, database: Database, provider: Provider, leases: Leases, deliberate_bug: str = "") -> None:
        self._database = database
        self._provider = provider
        self._leases = leases
        self._bug = deliberate_bug

    async def settle(self, key: str) -> Charge:
        """The charge after one attempt to settle it; unsettled still if the provider could not be asked."""
        if not await self._leases.acquire(key):
            return await self._database.read(partial(current, key=key))
        try:
            charge = await self._database.read(partial(current, key=key))
            if charge.status == PENDING or (charge.status == REFUNDING and charge.provider_id is None):
                charge = await self._learn_charge(charge)
            if charge.status == REFUNDING and charge.provider_id is not None:
                await self._provider.refund(f"{charge.key}.refund", charge.provider_id)
                charge = await self._database.write(partial(confirm_refund, key=key))
            return charge
        except ProviderUnavailable as error:
            log.warning("charge left unsettled", key=key, reason=str(error))
        except ProviderRefused:
            log.exception("the provider refuses a request", key=key)
        finally:
            await self._leases.end(key)
        return await self._database.write(partial(postpone, key=key))

    async def keep_settling(self, pause: float) -> None:
        """Settle what is due, every `pause` seconds; runs until it is cancelled."""
        while True:
            try:
                for key in await self._database.read(partial(due_keys, limit=AT_A_TIME)):
                    await self.settle(key)
            except SQLAlchemyError as error:
                log.warning("database not reachable", reason=str(error))
            await asyncio.sleep(pause)

    async def _learn_charge(self, charge: Charge) -> Charge:
        key = uuid.uuid4().hex if self._bug == bug.NEW_KEYS else charge.key
        outcome = await self._provider.charge(key, charge.wanted, reference=charge.key)
        if outcome.status == "succeeded":
            work = partial(confirm_charge, key=charge.key, provider_id=outcome.provider_id)
            return await self._database.write(work)
        if outcome.status == "declined":
            return await self._database.write(partial(decline_charge, key=charge.key))
        return await self._database.write(partial(postpone, key=charge.key))
