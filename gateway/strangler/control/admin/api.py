"""The admin API: the gateway's state, for people and for Prometheus. Loopback by default; `access` guards it.

GET /livez      the control process runs
GET /readyz     whether every worker serves by the newest configuration: 200, or 503 with the reason;
                then a line for each degraded part, which with ?strict=1 makes it 503 as well
GET /metrics    Prometheus
GET /status     configuration, workers, key sets, upstreams and migrations as JSON
GET /routes     the routing table as JSON
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, Protocol

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from strangler.config.compile.admin import AdminAccess
from strangler.control.admin.access import Guard
from strangler.control.admin.connection import AdminConnection
from strangler.control.admin.problems import problem
from strangler.control.status.metrics import CONTENT_TYPE
from strangler.model.listener import ListenAddress
from strangler.model.snapshot import Snapshot


class Shown(Protocol):
    """What the admin API shows of the gateway."""

    @property
    def snapshot(self) -> Snapshot:
        """The running snapshot."""

    @property
    def access(self) -> AdminAccess:
        """Who may use the admin API by the running configuration."""

    def why_not_ready(self) -> str | None:
        """Why the gateway is not ready to serve, or None if it is."""

    def degraded(self) -> list[str]:
        """The problems of the gateway's own dependencies, despite which it serves requests."""

    async def metrics(self) -> bytes:
        """All metrics in Prometheus' text format."""

    async def status(self) -> dict[str, Any]:
        """The document of /status."""


def application(gateway: Shown, listener: ListenAddress) -> Starlette:
    """The admin API of `gateway`, which listens at `listener`."""

    async def live(request: Request) -> Response:
        return PlainTextResponse("live\n")

    async def ready(request: Request) -> Response:
        reason = gateway.why_not_ready()
        degraded = gateway.degraded()
        lines = [reason or "ready", *(f"degraded: {problem}" for problem in degraded)]
        failed = reason or (degraded and request.query_params.get("strict", "0") not in ("", "0"))
        return PlainTextResponse("\n".join(lines) + "\n", 503 if failed else 200)

    async def metrics(request: Request) -> Response:
        return Response(await gateway.metrics(), media_type=CONTENT_TYPE)

    async def status(request: Request) -> Response:
        return JSONResponse(await gateway.status())

    async def routes(request: Request) -> Response:
        return JSONResponse(routing_table(gateway.snapshot))

    return Starlette(
        middleware=[Middleware(Guard, listener=listener, access=lambda: gateway.access)],
        exception_handlers={HTTPException: _refused},
        routes=[
            Route("/livez", live),
            Route("/readyz", ready),
            Route("/metrics", metrics),
            Route("/status", status),
            Route("/routes", routes),
        ],
    )


async def _refused(request: Request, error: Exception) -> Response:
    """Starlette's own refusals: no such path, or not with this method."""
    assert isinstance(error, HTTPException)
    return problem(error.status_code, error.detail, error.headers)


def routing_table(snapshot: Snapshot) -> list[dict[str, Any]]:
    """The routes in the order of the file."""
    return [
        {
            "name": route.name,
            "host": route.host,
            "path": route.path,
            "methods": sorted(route.methods),
            "upstream": route.upstream,
            "migration": route.migration.name if route.migration else None,
            "auth": ", ".join(route.auth.providers) if route.auth else None,
            "source": str(route.source),
        }
        for route in snapshot.routes
    ]


class AdminServer(uvicorn.Server):
    """uvicorn in a process that handles signals itself."""

    def __init__(self, gateway: Shown, listener: ListenAddress) -> None:
        super().__init__(
            uvicorn.Config(
                application(gateway, listener),
                loop="none",
                http=AdminConnection,
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                timeout_graceful_shutdown=1,
            )
        )

    def capture_signals(self) -> Any:
        """Leave signals to the gateway."""
        return nullcontext()
