"""The ASGI application: routes, log, and what lives as long as the process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.middleware import Middleware

from orders_service.accounts import Accounts
from orders_service.api import HealthApi, OrdersApi
from orders_service.authentication import Authentication
from orders_service.broker import NatsPublisher
from orders_service.database import Database
from orders_service.keys import Keys, key_source
from orders_service.operations import OperationsApi
from orders_service.products import Products
from orders_service.relay import Relay
from orders_service.request_log import RequestLog
from orders_service.resource import Resource, nothing_here
from orders_service.saga_runner import SagaRunner
from orders_service.sagas import Sagas
from orders_service.service_client import ServiceClient
from orders_service.service_tokens import ServiceTokens, read_keys
from orders_service.settings import Settings
from orders_service.steps import Steps
from orders_service.tokens import TokenVerifier

NAME = "orders"


class Service:
    """Everything that a process has one of."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.database = Database(settings.database_url, settings.database_threads)
        self.keys = Keys(
            key_source(settings.jwks, settings.jwks_timeout),
            refresh=settings.jwks_refresh,
            floor=settings.jwks_refetch_floor,
        )
        self.tokens = ServiceTokens(NAME, read_keys(settings.signing_keys))
        self.inventory = ServiceClient("inventory", settings.inventory_url, settings.calls, self.tokens)
        self.payments = ServiceClient("payments", settings.payments_url, settings.payment_calls, self.tokens)
        self.catalog = ServiceClient("catalog", settings.catalog_url, settings.calls)
        self.users = ServiceClient("users", settings.users_url, settings.calls) if settings.users_url else None
        self.runner = SagaRunner(
            self.database, Steps(self.inventory, self.payments), settings.deadlines, settings.saga_lease
        )
        self.relay = Relay(self.database, NatsPublisher(settings.broker_url) if settings.broker_url else None)
        self.sagas = Sagas(self.database, self.runner, settings.deadlines, settings.saga_lease)

    def resources(self) -> list[Resource]:
        settings = self._settings
        verifier = TokenVerifier(self.keys, settings.jwt_issuer, settings.jwt_audience)
        authentication = Authentication(verifier, Accounts(self.users))
        products = Products(self.database, self.catalog)
        return [
            *OrdersApi(authentication, self.database, products, self.sagas, settings.bug).resources(),
            *OperationsApi(authentication, self.database, self.tokens).resources(),
            *HealthApi(self.database, self.keys).resources(),
        ]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keys are kept fresh, sagas taken on, and messages published, until the context ends."""
        tasks = [
            asyncio.create_task(self.keys.keep_fresh(), name="keep keys fresh"),
            asyncio.create_task(self.runner.keep_running(self._settings.saga_pause), name="run sagas"),
        ]
        try:
            async with self.relay.running(self._settings.relay_pause):
                yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for client in (self.inventory, self.payments, self.catalog, self.users):
                if client is not None:
                    await client.close()
            await self.database.close()


def build_app(settings: Settings) -> Starlette:
    """The application. Its lifespan keeps its keys fresh, and takes on sagas that were left."""
    service = Service(settings)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with service.running():
            yield

    app = Starlette(routes=service.resources(), middleware=[Middleware(RequestLog)], lifespan=lifespan)
    app.router.redirect_slashes = False
    app.router.default = nothing_here
    return app
