"""What routes do with requests beside sending them somewhere: compiled, and added to the routes.

What a migration says holds for those of its routes that say nothing themselves.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from gateway.config.route_sections import MigrationRouteSection, MigrationSection, RouteSection
from gateway.config.schema import Configuration
from gateway.config.snapshot import Route

Part = RouteSection | MigrationRouteSection


def with_changes(routes: Iterable[Route], model: Configuration) -> tuple[Route, ...]:
    """`routes` with their limits."""
    parts = _parts(model)
    return tuple(_with_changes(route, *parts[route.name]) for route in routes)


def _parts(model: Configuration) -> dict[str, tuple[Part, MigrationSection | None]]:
    """What was written for each route, by its name, and the migration that it belongs to."""
    parts: dict[str, tuple[Part, MigrationSection | None]] = {str(route.name): (route, None) for route in model.routes}
    for name, migration in model.migrations.items():
        for number, part in enumerate(migration.routes):
            parts[f"{name}/{number if part.name is None else part.name}"] = (part, migration)
    return parts


def _with_changes(route: Route, part: Part, migration: MigrationSection | None) -> Route:
    limits = part.limits or (migration.limits if migration is not None else None)
    return replace(route, body_bytes=None if limits is None else limits.body_bytes)
