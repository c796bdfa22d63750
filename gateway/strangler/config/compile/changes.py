"""What routes do with requests besides forwarding them: compiled, and added to the routes.

A migration's settings apply to those of its routes that have none of their own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from urllib.parse import quote

from strangler.config.schema.changes import CorsSection, FieldChangesSection, RewriteSection
from strangler.config.schema.configuration import Configuration
from strangler.config.schema.routes import MatchSection, MigrationRouteSection, MigrationSection, RouteSection
from strangler.model.changes import NOT_ALPHANUMERIC, Changes, Cors, FieldChanges, Rewrite
from strangler.model.methods import CORS_DEFAULT
from strangler.model.path_patterns import SegmentKind, parse_pattern
from strangler.model.route import Route

_NOTHING = Changes()
_PCHAR = "!$&'()*+,;=:@~"

Part = RouteSection | MigrationRouteSection


def with_changes(routes: Iterable[Route], model: Configuration) -> tuple[Route, ...]:
    """`routes` with their limits and changes."""
    parts = _parts(model)
    return tuple([_with_changes(route, *parts[route.name], model) for route in routes])


def _parts(model: Configuration) -> dict[str, tuple[Part, MigrationSection | None]]:
    """What was written for each route, by its name, and the migration that it belongs to."""
    parts: dict[str, tuple[Part, MigrationSection | None]] = {str(route.name): (route, None) for route in model.routes}
    for name, migration in model.migrations.items():
        for number, part in enumerate(migration.routes):
            parts[f"{name}/{number if part.name is None else part.name}"] = (part, migration)
    return parts


def changes_of_host(model: Configuration, upstream: str) -> Changes:
    """What `upstream` changes whatever the route."""
    section = model.upstreams[upstream]
    if section.host == "preserve":
        return _NOTHING
    return Changes(endpoint_host=True, authorities=_authorities(model, upstream))


def default_changes(model: Configuration, upstream: str) -> Changes | None:
    """What is changed where no route matches and the default `upstream` serves the request."""
    changes = changes_of_host(model, upstream)
    return None if changes == _NOTHING else changes


def _authorities(model: Configuration, upstream: str) -> frozenset[str]:
    return frozenset(endpoint.host_header.decode("ascii").lower() for endpoint in model.upstreams[upstream].endpoints)


def _with_changes(route: Route, part: Part, migration: MigrationSection | None, model: Configuration) -> Route:
    limits = part.limits or (migration.limits if migration is not None else None)
    headers = part.headers or (migration.headers if migration is not None else None)
    cors_section = part.cors or (migration.cors if migration is not None else None)
    cors = None if cors_section is None else _cors(cors_section, part.match)
    rewrite = None if part.rewrite is None else compile_rewrite(part.rewrite, part.match.path or "/**")
    sides = {route.upstream: rewrite}
    if migration is not None:
        # Clients use the monolith's paths.
        sides = {str(migration.from_): None, str(migration.to): rewrite}
        if migration.shadow is not None and migration.shadow.sandbox is not None:
            sides[str(migration.shadow.sandbox)] = rewrite
    changes = {}
    for upstream, its_rewrite in sides.items():
        changed = replace(
            changes_of_host(model, upstream),
            request=_NOTHING.request if headers is None else _folded(_fields(headers.request)),
            response=_NOTHING.response if headers is None else _fields(headers.response),
            cors=cors,
            rewrite=its_rewrite,
        )
        if its_rewrite is not None:
            changed = replace(changed, authorities=_authorities(model, upstream))
        if changed != _NOTHING:
            changes[upstream] = changed
    return replace(route, body_bytes=None if limits is None else limits.body_bytes, changes=changes or None, cors=cors)


def _fields(section: FieldChangesSection) -> FieldChanges:
    added = [*section.set.items(), *section.add.items()]
    return FieldChanges(
        frozenset(name.lower().encode("ascii") for name in (*section.remove, *section.set)),
        b"".join(f"{name}: {value}\r\n".encode("latin-1") for name, value in added),
    )


def _folded(changes: FieldChanges) -> FieldChanges:
    """Names as a server may read them: X_Name is X-Name for many."""
    return replace(changes, removed=frozenset(NOT_ALPHANUMERIC.sub(b"-", name) for name in changes.removed))


def _cors(section: CorsSection, match: MatchSection) -> Cors:
    origins = [str(origin) for origin in section.origins]
    below = [origin.partition("*") for origin in origins if "://*." in origin]
    methods = section.methods or match.methods or CORS_DEFAULT
    return Cors(
        origins=frozenset(origin for origin in origins if "*" not in origin),
        suffixes=tuple((scheme, suffix) for scheme, _, suffix in below),
        any_origin="*" in origins,
        methods=tuple(map(str, methods)),
        headers=None if "*" in section.headers else tuple(map(str, section.headers)),
        expose=tuple(map(str, section.expose)),
        credentials=section.credentials,
        max_age=round(section.max_age),
    )


def compile_rewrite(section: RewriteSection, pattern: str) -> Rewrite:
    """The rewriting of paths that match `pattern`.

    Raises PatternError for paths that can't be understood; what can't be found
    in `pattern` is left to the checks.
    """
    if section.path is None:
        stripped = _segments(section.strip_prefix)
        return Rewrite(
            inner=tuple(_segments(section.add_prefix)),
            outer=tuple(stripped),
            rest=len(stripped),
            prefix="".join(f"/{segment}" for segment in stripped),
            cookie_domains=_domains(section),
        )
    matched = parse_pattern(pattern)
    places = {segment.text: place for place, segment in enumerate(matched) if segment.kind is SegmentKind.ONE}
    rest = next((place for place, segment in enumerate(matched) if segment.kind is SegmentKind.REST), None)
    inner: list[str | int] = []
    ends_with_rest = False
    for segment in parse_pattern(section.path):
        if segment.kind is SegmentKind.REST:
            ends_with_rest = True
        else:
            inner.append(places.get(segment.text, 0) if segment.kind is SegmentKind.ONE else _quoted(segment.text))
    outer = [
        _quoted(one.text) if one.kind is SegmentKind.LITERAL else None
        for one in matched
        if one.kind is not SegmentKind.REST
    ]
    return Rewrite(tuple(inner), tuple(outer), rest if ends_with_rest else None, "", _domains(section))


def _segments(prefix: str | None) -> list[str]:
    return [] if prefix is None else [_quoted(segment) for segment in prefix.strip("/").split("/")]


def _quoted(text: str) -> str:
    return quote(text, safe=_PCHAR, errors="surrogateescape")


def _domains(section: RewriteSection) -> dict[str, str]:
    return {str(inner).lower().lstrip("."): str(outer) for inner, outer in section.cookie_domains.items()}
