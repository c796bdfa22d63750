"""The admin API: the gateway's state, for people and for Prometheus. Loopback by default; it has no login.

GET /livez      the control process runs
GET /readyz     whether every worker serves by the newest configuration: 200, or 503 with the reason;
                then a line for each degraded part, which with ?strict=1 makes it 503 as well
GET /metrics    Prometheus
GET /status     configuration, workers, key sets, upstreams and migrations as JSON
GET /routes     the routing table as JSON
POST /identities/revoke   forget who sessions belong to (revocation.py), signed by the project that knows them
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, Protocol

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from strangler.control.admin.connection import AdminConnection
from strangler.control.status.metrics import CONTENT_TYPE
from strangler.model.addresses import is_address, is_loopback
from strangler.model.listener import ListenAddress
from strangler.model.snapshot import Snapshot
from strangler.routing.decide import host_name


class Shown(Protocol):
    """What the admin API shows of the gateway."""

    @property
    def snapshot(self) -> Snapshot:
        """The running snapshot."""

    def why_not_ready(self) -> str | None:
        """Why the gateway is not ready to serve, or None if it is."""

    def degraded(self) -> list[str]:
        """The problems of the gateway's own dependencies, despite which it serves requests."""

    async def metrics(self) -> bytes:
        """All metrics in Prometheus' text format."""

    async def status(self) -> dict[str, Any]:
        """The document of /status."""


class OnlyThisMachine:
    """On loopback, refuses requests for another machine's name.

    A web page in a browser on this machine may resolve its own name to
    127.0.0.1 (DNS rebinding), and could then read this API.
    """

    def __init__(self, app: ASGIApp, listener: ListenAddress) -> None:
        self._app = app
        self._guarded = is_loopback(listener.host)
        self._names = ("localhost", listener.host.lower())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond with 421 where Host is a name other than localhost and that of the listener."""
        if self._guarded and scope["type"] == "http":
            host = host_name(Headers(scope=scope).get("host", ""))
            if host not in self._names and not is_address(host):
                refused = PlainTextResponse("Request the admin API by its IP address or as localhost.\n", 421)
                await refused(scope, receive, send)
                return
        await self._app(scope, receive, send)


def application(gateway: Shown, more: Sequence[Route] = ()) -> Starlette:
    """The admin API of `gateway`, with `more` routes."""

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
        middleware=[Middleware(OnlyThisMachine, listener=gateway.snapshot.admin)],
        routes=[
            Route("/livez", live),
            Route("/readyz", ready),
            Route("/metrics", metrics),
            Route("/status", status),
            Route("/routes", routes),
            *more,
        ],
    )


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

    def __init__(self, gateway: Shown, more: Sequence[Route] = ()) -> None:
        super().__init__(
            uvicorn.Config(
                application(gateway, more),
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
