"""A Starlette application that reports which handler a request reached, on uvicorn as it comes.

uvicorn tests.attack.starlette_app:application
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

Handler = Callable[[Request], Awaitable[Response]]
METHODS = ["GET", "POST"]


def reporting(name: str) -> Handler:
    """A handler that says that it was reached."""

    async def handler(request: Request) -> Response:
        return Response(headers={"X-Reached": name})

    return handler


async def by_query(request: Request) -> Response:
    """Shows more to `?admin=1`; Starlette takes the last value."""
    return Response(headers={"X-Reached": "query" if request.query_params.get("admin") == "1" else "open"})


async def by_header(request: Request) -> Response:
    """Shows more in a mode."""
    modes = [mode.strip() for mode in ",".join(request.headers.getlist("x-mode")).split(",")]
    return Response(headers={"X-Reached": "mode" if "admin" in modes else "open"})


application = Starlette(
    routes=[
        Route("/secret", reporting("secret"), methods=METHODS),
        Route("/admin/{rest:path}", reporting("admin"), methods=METHODS),
        Route("/q", by_query, methods=METHODS),
        Route("/m", by_header, methods=METHODS),
        Route("/{rest:path}", reporting("open"), methods=METHODS),
    ]
)
