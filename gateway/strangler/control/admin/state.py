"""What the admin API shows of the gateway: probes, metrics, status, routes."""

from __future__ import annotations

from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from strangler.config.compile.admin import AdminAccess
from strangler.control.admin.operations import TEXT, Operation, Returned
from strangler.control.admin.problems import Refused
from strangler.control.status.metrics import CONTENT_TYPE
from strangler.model.snapshot import Snapshot
from strangler.plan import picture as pictures
from strangler.store.database import StoreError
from strangler.traffic.week import Week
from strangler.traffic.week import as_document as week_as_document


class Shown(Protocol):
    """What the admin API shows of the gateway."""

    @property
    def snapshot(self) -> Snapshot:
        """The running snapshot."""

    @property
    def access(self) -> AdminAccess:
        """Who may use the admin API by the running configuration."""

    def forget_sessions(self, sessions: frozenset[str], subjects: frozenset[str]) -> None:
        """Have every worker forget who these sessions belong to."""

    def why_not_ready(self) -> str | None:
        """Why the gateway is not ready to serve, or None if it is."""

    def degraded(self) -> list[str]:
        """The problems of the gateway's own dependencies, despite which it serves requests."""

    async def metrics(self) -> bytes:
        """All metrics in Prometheus' text format."""

    async def status(self) -> dict[str, Any]:
        """The document of /status."""

    async def week(self) -> Week:
        """The last week of traffic. Raises StoreError."""


STRICT = {"type": "string", "description": "Whether a degraded part makes it 503 as well: 1 or 0.", "default": "0"}


def probe_operations(gateway: Shown) -> list[Operation]:
    """The operations for Kubernetes, load balancers and Prometheus."""

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

    return [
        Operation("GET", "/livez", "Whether the control process runs.", live, Returned("It runs.", TEXT)),
        Operation(
            "GET",
            "/readyz",
            "Whether every worker serves by the newest configuration.",
            ready,
            Returned("`ready`, and a line for each degraded part.", TEXT),
            Returned("The reason, and a line for each degraded part.", TEXT),
            query={"strict": STRICT},
        ),
        Operation("GET", "/metrics", "Metrics.", metrics, Returned("Prometheus' text format.", CONTENT_TYPE)),
    ]


def state_operations(gateway: Shown) -> list[Operation]:
    """The operations that show what `gateway` does, and by what."""

    async def status(request: Request) -> Response:
        return JSONResponse(await gateway.status())

    async def routes(request: Request) -> Response:
        return JSONResponse(routing_table(gateway.snapshot))

    async def routing(request: Request) -> Response:
        return JSONResponse(pictures.as_document(pictures.picture_of(gateway.snapshot)))

    async def traffic(request: Request) -> Response:
        try:
            return JSONResponse(week_as_document(await gateway.week()))
        except StoreError as error:
            raise Refused(503, str(error)) from None

    return [
        Operation(
            "GET",
            "/status",
            "Configuration, workers, key sets, upstreams and migrations.",
            status,
            Returned("The state of everything."),
        ),
        Operation(
            "GET",
            "/routes",
            "The routing table, in the order of the file.",
            routes,
            Returned("The routes.", document=list[dict[str, Any]]),
        ),
        Operation(
            "GET",
            "/routing",
            "Everything that decides where requests go, for `strangler plan`.",
            routing,
            Returned("Routes, migrations and upstreams.", document=pictures.Picture),
        ),
        Operation(
            "GET",
            "/traffic",
            "The requests of each hour and the callers of the last seven days, for `strangler plan`.",
            traffic,
            Returned("Counts by route, side and upstream; callers as sketches."),
            refusals=(503,),
        ),
    ]


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
