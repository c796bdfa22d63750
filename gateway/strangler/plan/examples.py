"""An example of the requests that a route is for: one that every request of it without a special case is like."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from strangler.model.path_patterns import SegmentKind, parse_pattern
from strangler.plan.picture import RoutePicture
from strangler.routing.request import Request

ANYTHING = "x7f3e9"
"""A segment, name or value that no route names."""
METHODS = ("GET", "POST")
"""The methods of the examples of a route that takes every method."""


def examples(route: RoutePicture | None) -> Iterator[Request]:
    """A request of each method of the route; None is the requests that no route matches."""
    if route is None:
        for method in METHODS:
            yield _request(method, f"/{ANYTHING}/{ANYTHING}", "", f"{ANYTHING}.invalid", [])
        return
    path = "/" + "/".join(_segments(route.path))
    query = "&".join(f"{quote(one.name)}={quote(_value(one.value))}" for one in route.query)
    host = route.host.replace("*", ANYTHING) or f"{ANYTHING}.invalid"
    headers = [(one.name, _value(one.value)) for one in route.headers]
    for method in route.methods or METHODS:
        yield _request(method, path, query, host, headers)


def _segments(path: str) -> Iterator[str]:
    for part in parse_pattern(path):
        match part.kind:
            case SegmentKind.LITERAL:
                yield quote(part.text, errors="surrogateescape")
            case SegmentKind.ONE:
                yield ANYTHING
            case SegmentKind.REST:
                yield f"{ANYTHING}/{ANYTHING}"


def _value(value: str | None) -> str:
    return ANYTHING if value is None else value


def _request(method: str, path: str, query: str, host: str, headers: list[tuple[str, str]]) -> Request:
    fields = [(name.encode("latin-1", "replace"), value.encode("utf-8")) for name, value in headers]
    return Request(method, path, query, host, fields, "127.0.0.1")
