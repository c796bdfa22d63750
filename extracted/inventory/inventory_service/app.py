"""The ASGI application: routes, log, and what lives as long as the process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.middleware import Middleware

from inventory_service.api import HealthApi, InventoryApi
from inventory_service.callers import CallerVerifier
from inventory_service.database import Database
from inventory_service.keys import Keys, key_source
from inventory_service.request_log import RequestLog
from inventory_service.resource import nothing_here
from inventory_service.settings import Settings


def build_app(settings: Settings) -> Starlette:
    """The application. It keeps its callers' keys fresh for as long as its lifespan lasts."""
    database = Database(settings.database_url, settings.database_threads)
    keys = {
        name: Keys(
            key_source(location, settings.jwks_timeout),
            refresh=settings.jwks_refresh,
            floor=settings.jwks_refetch_floor,
        )
        for name, location in settings.callers.items()
    }
    callers = CallerVerifier(keys, settings.audience)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        refreshing = [asyncio.create_task(each.keep_fresh(), name=f"keep {name}'s keys") for name, each in keys.items()]
        try:
            yield
        finally:
            for task in refreshing:
                task.cancel()
            await asyncio.gather(*refreshing, return_exceptions=True)
            await database.close()

    app = Starlette(
        routes=[*InventoryApi(database, callers, settings.bug).resources(), *HealthApi(database, keys).resources()],
        middleware=[Middleware(RequestLog)],
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.router.default = nothing_here
    return app
