"""The routes of the service: stock, reservations, and two for its operators."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import structlog
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request

from inventory_service import bug
from inventory_service.answer import Answer, not_found
from inventory_service.body import read_object
from inventory_service.callers import CallerVerifier
from inventory_service.database import Database
from inventory_service.keys import Keys
from inventory_service.migrate import is_migrated
from inventory_service.reservations import read_quantities
from inventory_service.resource import Resource
from inventory_service.store import commit, find_reservation, find_stock, release, reserve

KEY = "(?P<key>[A-Za-z0-9_-]{1,64})"


class InventoryApi:
    """Stock and reservations, for other services: each request has the token of one."""

    def __init__(self, database: Database, callers: CallerVerifier, deliberate_bug: str = "") -> None:
        self._database = database
        self._callers = callers
        self._bug = deliberate_bug

    def resources(self) -> list[Resource]:
        return [
            Resource("/stock/(?P<id>[1-9][0-9]{0,17})", {"GET": self.show_stock}),
            Resource(f"/reservations/{KEY}", {"GET": self.show_reservation, "PUT": self.reserve}),
            Resource(f"/reservations/{KEY}/commit", {"POST": self.commit}),
            Resource(f"/reservations/{KEY}/release", {"POST": self.release}),
        ]

    async def show_stock(self, request: Request) -> Answer:
        await self._authenticate(request)
        found = await self._database.read(partial(find_stock, product_id=int(request.path_params["id"])))
        if found is None:
            raise not_found()
        values = found._asdict()
        if self._bug == bug.ROUNDED_STOCK:
            values["available"] = found.available // 10 * 10
        return Answer(200, values)

    async def show_reservation(self, request: Request) -> Answer:
        await self._authenticate(request)
        found = await self._database.read(partial(find_reservation, key=request.path_params["key"]))
        if found is None:
            raise not_found()
        return Answer(200, found.shown())

    async def reserve(self, request: Request) -> Answer:
        await self._authenticate(request)
        quantities = read_quantities(await read_object(request))
        work = partial(reserve, key=request.path_params["key"], quantities=quantities, deliberate_bug=self._bug)
        made, new = await self._database.write(work)
        return Answer(201 if new else 200, made.shown())

    async def commit(self, request: Request) -> Answer:
        await self._authenticate(request)
        done = await self._database.write(partial(commit, key=request.path_params["key"]))
        return Answer(200, done.shown())

    async def release(self, request: Request) -> Answer:
        await self._authenticate(request)
        work = partial(release, key=request.path_params["key"], deliberate_bug=self._bug)
        return Answer(200, (await self._database.write(work)).shown())

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
