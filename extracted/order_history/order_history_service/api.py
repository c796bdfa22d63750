"""The history of one's own orders, and three routes for operators."""

from __future__ import annotations

import asyncio
import re
from functools import partial

import structlog
from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import Response

from order_history_service import bug
from order_history_service.answer import Answer, behind, not_found
from order_history_service.database import Database
from order_history_service.keys import Keys
from order_history_service.migrate import is_migrated
from order_history_service.projection import Entry, find_history, shown
from order_history_service.query import read_query
from order_history_service.resource import Resource
from order_history_service.tokens import TokenVerifier

VERSION = re.compile(r"[1-9][0-9]{0,5}")
LOOK_AGAIN = 0.05
"""Seconds between two looks for a version that is waited for."""


class OrderHistoryApi:
    def __init__(self, database: Database, tokens: TokenVerifier, wait: float, deliberate_bug: str = "") -> None:
        self._database = database
        self._tokens = tokens
        self._wait = wait
        self._gaps = deliberate_bug == bug.SHOWN_GAPS

    def resources(self) -> list[Resource]:
        return [Resource("/api/order-history/(?P<id>[1-9][0-9]{0,17})", {"GET": self.show_history})]

    async def show_history(self, request: Request) -> Answer:
        """With `version`, the history that has at least that: whoever knows what happened reads it here."""
        lines = request.headers.getlist("authorization")
        claims = await self._tokens.claims(",".join(lines) if lines else None)
        number = int(request.path_params["id"])
        wanted = read_query(request.scope["query_string"]).get("version", "")
        least = int(wanted) if VERSION.fullmatch(wanted) else 0
        history = await self._find(number, claims.user_id, least)
        if not history:
            raise not_found()
        return Answer(200, shown(number, history))

    async def _find(self, number: int, user_id: int, least: int) -> list[Entry]:
        work = partial(find_history, number=number, user_id=user_id, gaps=self._gaps)
        deadline = asyncio.get_running_loop().time() + self._wait
        while True:
            history = await self._database.read(work)
            if least == 0 or (history and history[-1].version >= least):
                return history
            if asyncio.get_running_loop().time() >= deadline:
                raise behind()
            await asyncio.sleep(LOOK_AGAIN)


class MetricsApi:
    """`/metrics`, in Prometheus' text format."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def resources(self) -> list[Resource]:
        return [Resource("/metrics", {"GET": self.show_metrics})]

    async def show_metrics(self, request: Request) -> Response:
        return Response(generate_latest(self._registry), media_type="text/plain; version=0.0.4; charset=utf-8")


class HealthApi:
    """`/healthz`: the process runs. `/readyz`: it can do its work, or what keeps it from that."""

    def __init__(self, database: Database, keys: Keys) -> None:
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
        checks = {
            "database": await self._check_database(),
            "keys": "ok" if self._keys.ready else "none fetched yet",
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
