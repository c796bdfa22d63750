"""The ASGI application: routes, log, and what lives as long as the process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.middleware import Middleware

from users_service.api import HealthApi, UsersApi
from users_service.database import Database
from users_service.keys import Keys, key_source
from users_service.request_log import RequestLog
from users_service.resource import nothing_here
from users_service.settings import Settings
from users_service.tokens import TokenVerifier


def build_app(settings: Settings) -> Starlette:
    """The application. It keeps its keys fresh for as long as its lifespan lasts."""
    database = Database(settings.database_url, settings.database_threads)
    keys = Keys(
        key_source(settings.jwks, settings.jwks_timeout),
        refresh=settings.jwks_refresh,
        floor=settings.jwks_refetch_floor,
    )
    tokens = TokenVerifier(keys, settings.jwt_issuer, settings.jwt_audience)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        refreshing = asyncio.create_task(keys.keep_fresh(), name="keep keys fresh")
        try:
            yield
        finally:
            refreshing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await refreshing
            await database.close()

    app = Starlette(
        routes=[*UsersApi(database, tokens, settings.bug).resources(), *HealthApi(database, keys).resources()],
        middleware=[Middleware(RequestLog)],
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.router.default = nothing_here
    return app
