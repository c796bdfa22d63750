"""Which operation a recorded request belongs to: a method and the pattern of a path.

With a migration these are the patterns of its routes, and requests that it does
not own are left out. Without one, segments that are data (numbers, UUIDs,
digests, days) stand as `*`.
"""

from __future__ import annotations

import re
from dataclasses import replace

from strangler.model.route import Route
from strangler.model.snapshot import Snapshot
from strangler.replay.recorded import RecordedRequest, RecordedRequests
from strangler.routing.decide import find_route
from strangler.routing.request import Request

_DATA = re.compile(
    r"[0-9]+|[0-9a-f]{16,}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9]{4}-[0-9]{2}(-[0-9]{2})?(T.*)?", re.IGNORECASE
)


def only_migration(recording: RecordedRequests, snapshot: Snapshot, migration: str, host: str | None) -> None:
    """Leave out requests that no route of `migration` takes, and name the operations of the others by their routes.

    `host` is the host that they are sent with, None for the recorded one.
    """
    kept = []
    for request in recording.requests:
        try:
            route = _route(snapshot, request, host)
        except Exception as error:
            recording.add_unreadable(f"{request.source}: no route can be found: {type(error).__name__}: {error}")
            continue
        if route is not None and route.migration is not None and route.migration.name == migration:
            kept.append(replace(request, operation=f"{request.method} {route.path}", route=route.name))
        else:
            recording.skipped[f"not of migration {migration}"] += 1
    recording.requests = kept


def _route(snapshot: Snapshot, request: RecordedRequest, host: str | None) -> Route | None:
    path, _, query = request.target.partition("?")
    fields = [(name.encode("latin-1"), value.encode("utf-8")) for name, value in request.headers]
    asked = Request(request.method, path, query, host or request.host or "localhost", fields, "127.0.0.1")
    route = find_route(snapshot, asked)
    return route if isinstance(route, Route) else None


def operation_of(request: RecordedRequest) -> str:
    """The operation of a request: the recorded one, else a guess from its path."""
    if request.operation is not None:
        return request.operation
    segments = request.target.partition("?")[0].split("/")
    return f"{request.method} {'/'.join('*' if _DATA.fullmatch(segment) else segment for segment in segments)}"
