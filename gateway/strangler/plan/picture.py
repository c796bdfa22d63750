"""What of a configuration decides where requests go, as plain values that can be sent as JSON.

The rest of each route, migration and upstream is a digest, which tells that
something else changed, and nothing of what it is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from enum import Enum
from typing import Any

from pydantic import TypeAdapter, ValidationError

from strangler.model.caller import Condition, Override, StickyKey
from strangler.model.folding import EXACT
from strangler.model.listener import ListenAddress
from strangler.model.migration import Migration, Stage
from strangler.model.route import FieldMatch, Route
from strangler.model.route_index import build_index
from strangler.model.snapshot import Snapshot
from strangler.model.upstream import Upstream
from strangler.model.yaml_place import YamlPlace

_NOWHERE = ListenAddress("127.0.0.1", 0)
_NO_PLACE = YamlPlace("", 0, 0)


class PictureError(ValueError):
    """A document that is not a picture."""


@dataclass(frozen=True, slots=True)
class RoutePicture:
    """A route: what it matches, and its upstream or migration. `rest` is the digest of everything else."""

    name: str
    host: str
    path: str
    methods: tuple[str, ...]
    headers: tuple[FieldMatch, ...]
    query: tuple[FieldMatch, ...]
    upstream: str
    migration: str | None
    folding: int
    rest: str

    @property
    def matches(self) -> tuple[object, ...]:
        """What it matches: routes that are the same in this match the same requests."""
        return self.host, self.path, self.methods, self.headers, self.query


@dataclass(frozen=True, slots=True)
class MigrationPicture:
    """A migration: its sides, its stage, and how callers are drawn."""

    legacy: str
    extracted: str
    stage: Stage
    threshold: int
    sticky: tuple[StickyKey, ...]
    always: tuple[Condition, ...]
    never: tuple[Condition, ...]
    override: Override | None
    rolled_out: bool
    rest: str

    def migration(self, name: str) -> Migration:
        """The migration as the split takes it."""
        return Migration(
            name,
            self.legacy,
            self.extracted,
            self.stage,
            self.threshold,
            self.sticky,
            self.always,
            self.never,
            self.override,
            rolled_out=self.rolled_out,
        )


@dataclass(frozen=True, slots=True)
class UpstreamPicture:
    """An upstream: its endpoints, with a weight where they have one."""

    endpoints: tuple[str, ...]
    rest: str


@dataclass(frozen=True, slots=True)
class Picture:
    """All of it. `default_folding` is that of the upstream `default`."""

    version: str
    default: str | None
    default_folding: int
    routes: tuple[RoutePicture, ...]
    migrations: dict[str, MigrationPicture] = field(default_factory=dict)
    upstreams: dict[str, UpstreamPicture] = field(default_factory=dict)

    def snapshot(self) -> Snapshot:
        """A snapshot in which requests find the same routes; it has nothing of what is done with them then."""
        migrations = {name: picture.migration(name) for name, picture in self.migrations.items()}
        routes = tuple(_route(picture, number, migrations) for number, picture in enumerate(self.routes))
        used = {route.folding for route in routes} | {self.default_folding}
        used |= {one | other for one in used for other in used}
        return Snapshot(
            version=self.version,
            listen=_NOWHERE,
            admin=_NOWHERE,
            providers={},
            upstreams={},
            migrations=migrations,
            routes=routes,
            index=build_index(routes),
            default=self.default,
            default_folding=self.default_folding,
            folded={folding: build_index(routes, folding) for folding in used - {EXACT}} or None,
        )


def picture_of(snapshot: Snapshot) -> Picture:
    """The picture of a snapshot."""
    return Picture(
        snapshot.version,
        snapshot.default,
        snapshot.default_folding,
        tuple(_route_picture(route) for route in snapshot.routes),
        {name: _migration_picture(migration) for name, migration in snapshot.migrations.items()},
        {name: _upstream_picture(upstream) for name, upstream in snapshot.upstreams.items()},
    )


_DOCUMENT = TypeAdapter(Picture)


def as_document(picture: Picture) -> Any:
    """The picture with nothing but what JSON can hold."""
    return _DOCUMENT.dump_python(picture, mode="json")


def from_document(document: Any) -> Picture:
    """The picture that `as_document` made a document of. Raises PictureError."""
    try:
        return _DOCUMENT.validate_python(document)
    except ValidationError as error:
        raise PictureError(f"not the routing of a gateway: {error.errors(include_url=False)[0]['msg']}") from None


def _route_picture(route: Route) -> RoutePicture:
    plain = replace(route, migration=None, source=_NO_PLACE, number=0, upstream="", shadowed=False)
    return RoutePicture(
        route.name,
        route.host,
        route.path,
        tuple(sorted(route.methods)),
        route.headers,
        route.query,
        route.upstream,
        None if route.migration is None else route.migration.name,
        route.folding,
        _digest(plain),
    )


def _migration_picture(migration: Migration) -> MigrationPicture:
    return MigrationPicture(
        migration.legacy,
        migration.extracted,
        migration.stage,
        migration.threshold,
        migration.sticky,
        migration.always,
        migration.never,
        migration.override,
        migration.rolled_out,
        _digest((migration.breaker, migration.fallback)),
    )


def _upstream_picture(upstream: Upstream) -> UpstreamPicture:
    endpoints = tuple(
        endpoint.url if endpoint.weight == 1 else f"{endpoint.url} (weight {endpoint.weight})"
        for endpoint in upstream.endpoints
    )
    return UpstreamPicture(endpoints, _digest(replace(upstream, endpoints=())))


def _route(picture: RoutePicture, number: int, migrations: Mapping[str, Migration]) -> Route:
    return Route(
        name=picture.name,
        number=number,
        host=picture.host,
        path=picture.path,
        methods=frozenset(picture.methods),
        headers=picture.headers,
        query=picture.query,
        upstream=picture.upstream,
        migration=None if picture.migration is None else migrations[picture.migration],
        auth=None,
        source=_NO_PLACE,
        folding=picture.folding,
    )


def _digest(value: object) -> str:
    text = json.dumps(_plain(value), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _plain(value: object) -> Any:
    """`value` with nothing but what JSON can hold, the same in every process: sets are sorted."""
    if is_dataclass(value):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, frozenset | set):
        return sorted((_plain(each) for each in value), key=json.dumps)
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    if value is None or isinstance(value, Enum | str | int | float | bool):
        return value.value if isinstance(value, Enum) else value
    return repr(value)
