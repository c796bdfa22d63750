"""The admin API: `operations` behind the guard of `access`. `openapi` describes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from strangler.control.admin.access import Guard
from strangler.control.admin.connection import AdminConnection
from strangler.control.admin.identities import identity_operations
from strangler.control.admin.operations import Handler, Operation
from strangler.control.admin.problems import Refused, problem
from strangler.control.admin.rollouts import Rollouts, freeze_operations, rollout_operations
from strangler.control.admin.state import Shown, probe_operations, state_operations
from strangler.model.listener import ListenAddress


def operations(gateway: Shown, rollouts: Rollouts) -> list[Operation]:
    """All operations."""
    return [
        *probe_operations(gateway),
        *state_operations(gateway),
        *rollout_operations(rollouts),
        *freeze_operations(rollouts),
        *identity_operations(gateway),
    ]


def application(gateway: Shown, rollouts: Rollouts, listener: ListenAddress) -> Starlette:
    """The admin API of `gateway`, which listens at `listener`."""
    return Starlette(
        middleware=[Middleware(Guard, listener=listener, access=lambda: gateway.access)],
        exception_handlers={HTTPException: _refused_path, Refused: _refused_request},
        routes=list(_routes(operations(gateway, rollouts))),
    )


def _routes(found: list[Operation]) -> Iterable[Route]:
    """A route for each path, so that a refused method gets all those that the path has."""
    handlers: dict[str, dict[str, Handler]] = {}
    for operation in found:
        handlers.setdefault(operation.path, {})[operation.method] = operation.handler
    for path, by_method in handlers.items():
        yield Route(path, _dispatching(by_method), methods=list(by_method))


def _dispatching(by_method: Mapping[str, Handler]) -> Handler:
    async def dispatch(request: Request) -> Response:
        return await by_method["GET" if request.method == "HEAD" else request.method](request)

    return dispatch


async def _refused_path(request: Request, error: Exception) -> Response:
    """Starlette's own refusals: no such path, or not with this method."""
    assert isinstance(error, HTTPException)
    return problem(error.status_code, error.detail, error.headers)


async def _refused_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return problem(error.status, str(error), error.headers())


class AdminServer(uvicorn.Server):
    """uvicorn in a process that handles signals itself."""

    def __init__(self, gateway: Shown, rollouts: Rollouts, listener: ListenAddress) -> None:
        super().__init__(
            uvicorn.Config(
                application(gateway, rollouts, listener),
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
