"""The ASGI application: routes, log, and what lives as long as the process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.middleware import Middleware

from order_history_service.api import HealthApi, MetricsApi, OrderHistoryApi
from order_history_service.consumer import Consumer
from order_history_service.database import Database
from order_history_service.keys import Keys, key_source
from order_history_service.request_log import RequestLog
from order_history_service.resource import nothing_here
from order_history_service.settings import Settings
from order_history_service.tokens import TokenVerifier


def build_app(settings: Settings) -> Starlette:
    """The application. Its lifespan keeps its keys fresh, and follows the orders service."""
    database = Database(settings.database_url, settings.database_threads)
    keys = Keys(
        key_source(settings.jwks, settings.jwks_timeout),
        refresh=settings.jwks_refresh,
        floor=settings.jwks_refetch_floor,
    )
    tokens = TokenVerifier(keys, settings.jwt_issuer, settings.jwt_audience)
    registry = CollectorRegistry()
    consumer = Consumer(database, settings.broker_url, registry)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        refreshing = asyncio.create_task(keys.keep_fresh(), name="keep keys fresh")
        try:
            async with consumer.running():
                yield
        finally:
            refreshing.cancel()
            await asyncio.gather(refreshing, return_exceptions=True)
            await database.close()

    app = Starlette(
        routes=[
            *OrderHistoryApi(database, tokens, settings.wait, settings.bug).resources(),
            *HealthApi(database, keys).resources(),
            *MetricsApi(registry).resources(),
        ],
        middleware=[Middleware(RequestLog)],
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.router.default = nothing_here
    return app
