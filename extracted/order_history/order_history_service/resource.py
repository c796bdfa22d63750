"""Paths and their methods.

Starlette's own `Route` is close, but its patterns let a newline end a path, it redirects trailing
slashes, and its 405 has neither our body nor our order of `Allow`.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

from order_history_service.answer import ApiError, internal_error, method_not_allowed, not_found

Handler = Callable[[Request], Awaitable[ASGIApp]]

log = structlog.get_logger(__name__)


class Resource(BaseRoute):
    """What a path (a regular expression that has to match all of it) offers.

    `handlers` is by method, in the order that `Allow` lists them; HEAD comes with GET. Named groups of
    the expression are the request's path parameters.
    """

    def __init__(self, pattern: str, handlers: Mapping[str, Handler]) -> None:
        self.pattern = re.compile(pattern)
        self.name = pattern
        self.handlers: dict[str, Handler] = {}
        for method, handler in handlers.items():
            self.handlers[method] = handler
            if method == "GET":
                self.handlers["HEAD"] = handler
        self.allowed = ", ".join(self.handlers)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] != "http":
            return Match.NONE, {}
        found = self.pattern.fullmatch(scope["path"])
        if found is None:
            return Match.NONE, {}
        return Match.FULL, {"path_params": found.groupdict()}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        handler = self.handlers.get(scope["method"])
        answer: ASGIApp
        try:
            if handler is None:
                raise method_not_allowed(self.allowed)
            answer = await handler(Request(scope, receive, send))
        except ApiError as error:
            answer = error.answer
        except ClientDisconnect:
            return
        except Exception:
            log.exception("request failed")
            answer = internal_error().answer
        await answer(scope, receive, send)


async def nothing_here(scope: Scope, receive: Receive, send: Send) -> None:
    """The answer on every path that no resource has."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1000})
        return
    await not_found().answer(scope, receive, send)
