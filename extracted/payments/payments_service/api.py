"""The routes of the service: charges, refunds, and two for its operators."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import structlog
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request

from payments_service.answer import Answer, not_found
from payments_service.body import read_object
from payments_service.callers import CallerVerifier
from payments_service.charges import UNSETTLED, Charge, read_wanted
from payments_service.database import Database
from payments_service.keys import Keys
from payments_service.migrate import is_migrated
from payments_service.resource import Resource
from payments_service.settling import Settling
from payments_service.store import begin_charge, begin_refund, find_charge

KEY = "(?P<key>[A-Za-z0-9_-]{1,64})"


class PaymentsApi:
    """Charges and refunds, for other services: each request has the token of one."""

    def __init__(self, database: Database, callers: CallerVerifier, settling: Settling) -> None:
        self._database = database
        self._callers = callers
        self._settling = settling

    def resources(self) -> list[Resource]:
        return [
            Resource(f"/charges/{KEY}", {"GET": self.show_charge, "PUT": self.charge}),
            Resource(f"/charges/{KEY}/refund", {"POST": self.refund}),
        ]

    async def show_charge(self, request: Request) -> Answer:
        await self._authenticate(request)
        found = await self._database.read(partial(find_charge, key=request.path_params["key"]))
        if found is None:
            raise not_found()
        return Answer(200, found.shown())

    async def charge(self, request: Request) -> Answer:
        await self._authenticate(request)
        wanted = read_wanted(await read_object(request))
        work = partial(begin_charge, key=request.path_params["key"], wanted=wanted)
        charge, new = await self._database.write(work)
        return await self._settled(charge, 201 if new else 200)

    async def refund(self, request: Request) -> Answer:
        await self._authenticate(request)
        charge = await self._database.write(partial(begin_refund, key=request.path_params["key"]))
        return await self._settled(charge, 200)

    async def _settled(self, charge: Charge, status: int) -> Answer:
        """The charge as it is now; 202 if that is not how it will stay."""
        if charge.status in UNSETTLED:
            charge = await self._settling.settle(charge.key)
        return Answer(202 if charge.status in UNSETTLED else status, charge.shown())

    async def _authenticate(self, request: Request) -> None:
        await self._callers.verify(request.headers.getlist("authorization"))


class HealthApi:
    """`/healthz`: the process runs. `/readyz`: it can do its work, or what keeps it from that."""

    def __init__(self, database: Database, keys: Mapping[str, Keys]) -> None:
        self._database = database
        self._keys = keys

    def resources(self) -> list[Resource]:
        return [
            Resource("/healthz", {"GET": self.live}),
            Resource("/readyz", {"GET": self.ready}),
        ]

    async def live(self, request: Request) -> Answer:
        return Answer(200, {"status": "ok"})

    async def ready(self, request: Request) -> Answer:
        without = sorted(name for name, keys in self._keys.items() if not keys.ready)
        checks = {
            "database": await self._check_database(),
            "keys": f"none fetched yet of {', '.join(without)}" if without else "ok",
        }
        ready = all(state == "ok" for state in checks.values())
        return Answer(200 if ready else 503, {"status": "ok" if ready else "unavailable", "checks": checks})

    async def _check_database(self) -> str:
        try:
            migrated = await self._database.read(is_migrated)
        except SQLAlchemyError as error:
            structlog.get_logger(__name__).warning("database not reachable", reason=str(error))
            return "not reachable"
        return "ok" if migrated else "not migrated"
