"""Why a route matches a request or does not, condition by condition.

Only `decide` determines which route is chosen; this module looks at the routes one
by one, slowly, to find what each of the others lacks.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from strangler.model.folding import folded
from strangler.model.path_patterns import Segment, SegmentKind, parse_pattern
from strangler.model.route import FieldMatch, Route
from strangler.model.route_index import folded_pattern
from strangler.model.snapshot import Snapshot
from strangler.routing.conditions import header_holds, query_holds
from strangler.routing.decide import host_name
from strangler.routing.readings import PathError, readings
from strangler.routing.request import Request


@dataclass(frozen=True, slots=True)
class Candidate:
    """Whether `route` could have served the request, and why not."""

    route: Route
    chosen: bool
    reason: str


def candidates(snapshot: Snapshot, request: Request, chosen: Route | None) -> list[Candidate]:
    """Every route as a candidate, the chosen one first, then in the order of the file."""
    segments: Sequence[str] | None = None
    with suppress(PathError):
        segments = readings(request.path)[0]
    listed: list[Candidate] = []
    folding = snapshot.default_folding if chosen is None else chosen.folding
    for route in snapshot.routes:
        lacking = _lacking(route, request, segments, folding)
        if route is chosen:
            listed.insert(0, Candidate(route, True, "the most specific match"))
        elif lacking is not None:
            listed.append(Candidate(route, False, lacking))
        elif chosen is not None:
            listed.append(Candidate(route, False, f"also matches, but {chosen.name} is more specific"))
        else:
            listed.append(Candidate(route, False, "matches as sent, but the request is refused"))
    return listed


def described(route: Route) -> str:
    """The conditions of a route, as one line."""
    parts = [route.path]
    if route.host:
        parts.insert(0, f"host {route.host}")
    if route.methods:
        parts.append(", ".join(sorted(route.methods)))
    parts += [f"header {_field(condition)}" for condition in route.headers]
    parts += [f"query {_field(condition)}" for condition in route.query]
    return " · ".join(parts)


def _lacking(route: Route, request: Request, segments: Sequence[str] | None, folding: int) -> str | None:
    """What the request lacks for `route`; None if it lacks nothing."""
    host = host_name(request.host)
    if route.host.startswith("*."):
        if not host.endswith(route.host[1:].lower()):
            return f"host {host} is not a subdomain of {route.host[2:]}"
    elif route.host and host != route.host.lower():
        return f"host {host} is not {route.host}"
    if segments is None:
        return "the path has too many segments to be read in every way"
    if not _path_matches(folded_pattern(parse_pattern(route.path), folding), folded(segments, folding)):
        return f"path does not match {route.path}"
    if route.methods and request.method not in route.methods:
        return f"method {request.method} is not among {', '.join(sorted(route.methods))}"
    for condition in route.headers:
        if header_holds(condition, request) is False:
            return f"header {_field(condition)} is missing"
    for condition in route.query:
        if query_holds(condition, request) is False:
            return f"query {_field(condition)} is missing"
    return None


def _path_matches(pattern: Sequence[Segment], segments: Sequence[str]) -> bool:
    for position, part in enumerate(pattern):
        if part.kind is SegmentKind.REST:
            return True
        if position >= len(segments):
            return False
        if part.kind is SegmentKind.ONE:
            if not segments[position]:
                return False
        elif part.text != segments[position]:
            return False
    return len(pattern) == len(segments)


def _field(condition: FieldMatch) -> str:
    return condition.name if condition.value is None else f"{condition.name}={condition.value}"
