"""The operations of the admin API, from which its routes and its OpenAPI description are made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import Response

Handler = Callable[[Request], Awaitable[Response]]

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Returned:
    """A response: its media type, and for JSON the type of the document."""

    description: str
    media: str = JSON
    document: Any = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Operation:
    """A method and a path, what it takes and returns, and what handles it.

    `query` has the parameters by name, with their JSON Schema. `body` is the type of
    the document that a request must have. `refusals` are statuses besides those
    of every operation.
    """

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    summary: str
    handler: Handler
    returned: Returned
    unavailable: Returned | None = None
    body: Any = None
    query: dict[str, dict[str, Any]] = field(default_factory=dict)
    refusals: tuple[int, ...] = ()
