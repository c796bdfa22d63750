"""The differences of two configurations' routing, by name: for each route, migration and upstream what is another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from strangler.model.migration import Stage
from strangler.model.route import FieldMatch
from strangler.plan.picture import MigrationPicture, Picture, RoutePicture, UpstreamPicture

Kind = Literal["route", "migration", "upstream", "default"]
Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is added, removed or changed, and in what."""

    kind: Kind
    name: str
    how: Literal["added", "removed", "changed"]
    what: tuple[str, ...]


def differences(old: Picture, new: Picture) -> Iterator[Difference]:
    """All differences, routes first."""
    yield from _by_name("route", _named(old.routes), _named(new.routes), _route)
    yield from _by_name("migration", old.migrations, new.migrations, _migration)
    yield from _by_name("upstream", old.upstreams, new.upstreams, _upstream)
    if old.default != new.default:
        yield Difference("default", "default", "changed", (_pair("", old.default or "none", new.default or "none"),))


def _named(routes: Iterable[RoutePicture]) -> dict[str, RoutePicture]:
    return {route.name: route for route in routes}


def _by_name(
    kind: Kind,
    old: Mapping[str, Part],
    new: Mapping[str, Part],
    describe: Callable[[Part], list[tuple[str, str]]],
) -> Iterator[Difference]:
    for name, part in new.items():
        if name not in old:
            yield Difference(kind, name, "added", tuple(f"{label} {text}" for label, text in describe(part) if text))
            continue
        before, after = describe(old[name]), describe(part)
        what = [_pair(label, was, now) for (label, was), (_, now) in zip(before, after, strict=True) if was != now]
        if _rest(old[name]) != _rest(part):
            what.append("other settings")
        if what:
            yield Difference(kind, name, "changed", tuple(what))
    for name, part in old.items():
        if name not in new:
            yield Difference(kind, name, "removed", tuple(f"{label} {text}" for label, text in describe(part) if text))


def _pair(label: str, before: str, after: str) -> str:
    return f"{label} {before or 'none'} → {after or 'none'}".strip()


def _rest(part: Any) -> str:
    return str(part.rest)


def _route(route: RoutePicture) -> list[tuple[str, str]]:
    return [
        ("path", route.path),
        ("host", route.host),
        ("methods", ", ".join(route.methods)),
        ("headers", _fields(route.headers)),
        ("query", _fields(route.query)),
        ("migration", route.migration or ""),
        ("upstream", route.upstream if route.migration is None else ""),
    ]


def _fields(found: Iterable[FieldMatch]) -> str:
    return ", ".join(one.name if one.value is None else f"{one.name}={one.value}" for one in found)


def _migration(migration: MigrationPicture) -> list[tuple[str, str]]:
    canary = f"{migration.threshold / 100:g} %" if migration.stage is Stage.CANARY else ""
    override = migration.override
    return [
        ("from", migration.legacy),
        ("to", migration.extracted),
        ("stage", str(migration.stage)),
        ("canary", canary),
        ("sticky", ", ".join(map(str, migration.sticky))),
        ("always", ", ".join(map(str, migration.always))),
        ("never", ", ".join(map(str, migration.never))),
        ("override", "" if override is None else f"{override.header} by {override.permitted}"),
    ]


def _upstream(upstream: UpstreamPicture) -> list[tuple[str, str]]:
    return [("endpoints", ", ".join(upstream.endpoints))]
