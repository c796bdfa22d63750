"""The ASGI application: routes, log, and what lives as long as the process."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.middleware import Middleware

from catalog_service.api import CatalogApi, HealthApi
from catalog_service.database import Database
from catalog_service.request_log import RequestLog
from catalog_service.resource import nothing_here
from catalog_service.settings import Settings


def build_app(settings: Settings) -> Starlette:
    """The application; its lifespan ends with the database's connections closed."""
    database = Database(settings.database_url, settings.database_threads)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await database.close()

    app = Starlette(
        routes=[*CatalogApi(database, settings.bug).resources(), *HealthApi(database).resources()],
        middleware=[Middleware(RequestLog)],
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.router.default = nothing_here
    return app
