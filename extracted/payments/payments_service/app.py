"""The ASGI application: routes, log, and what lives as long as the process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.middleware import Middleware

from payments_service.api import HealthApi, PaymentsApi
from payments_service.callers import CallerVerifier
from payments_service.database import Database
from payments_service.keys import Keys, key_source
from payments_service.leases import DatabaseLeases, Leases, RedisLeases
from payments_service.provider import Provider
from payments_service.request_log import RequestLog
from payments_service.resource import nothing_here
from payments_service.settings import Settings
from payments_service.settling import Settling
from payments_service.webhooks import WebhookApi


def build_app(settings: Settings) -> Starlette:
    """The application. Its lifespan keeps its callers' keys fresh, and settles what is unsettled."""
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
    provider = Provider(settings.provider)
    # Longer than all attempts of one request take, the last one included.
    longest = settings.provider.retry_budget + settings.provider.timeout + 1
    leases: Leases
    leases = RedisLeases(settings.redis_url, longest) if settings.redis_url else DatabaseLeases(database, longest)
    settling = Settling(database, provider, leases, settings.bug)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(each.keep_fresh(), name=f"keep {name}'s keys") for name, each in keys.items()]
        tasks.append(asyncio.create_task(settling.keep_settling(settings.settle_pause), name="settle charges"))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await leases.close()
            await provider.close()
            await database.close()

    app = Starlette(
        routes=[
            *PaymentsApi(database, callers, settling).resources(),
            *WebhookApi(database, settings.webhook_secrets, settings.bug).resources(),
            *HealthApi(database, keys).resources(),
        ],
        middleware=[Middleware(RequestLog)],
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.router.default = nothing_here
    return app
