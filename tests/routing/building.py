"""Routes, migrations, requests and snapshots with only the parts that a test is about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import count
from typing import Any

from strangler.auth.identity import Identity, identity_of
from strangler.config.values.callers import parse_condition, parse_sticky
from strangler.model.auth import AuthRequirement, Provider
from strangler.model.listener import ListenAddress
from strangler.model.migration import Migration, Stage
from strangler.model.route import FieldMatch, Route
from strangler.model.route_index import build_index
from strangler.model.snapshot import Snapshot
from strangler.model.yaml_place import YamlPlace
from strangler.routing.decide import Refusal, find_route
from strangler.routing.request import Request

PROVIDER = Provider("shop", "https://id.shop.example", ("shop",), ("ES256",))
_NUMBERS = count(1)


def a_route(
    path: str = "/**",
    *,
    host: str = "",
    methods: Iterable[str] = (),
    headers: Mapping[str, str | None] | None = None,
    query: Mapping[str, str | None] | None = None,
    upstream: str = "service",
    migration: Migration | None = None,
    auth: AuthRequirement | None = None,
) -> Route:
    """A route whose name is its path."""
    number = next(_NUMBERS)
    return Route(
        name=path,
        number=number,
        host=host,
        path=path,
        methods=frozenset(methods),
        headers=tuple(FieldMatch(name.lower(), value) for name, value in (headers or {}).items()),
        query=tuple(FieldMatch(name, value) for name, value in (query or {}).items()),
        upstream=upstream,
        migration=migration,
        auth=auth,
        source=YamlPlace("gateway.yaml", number, 1),
    )


def a_migration(
    stage: Stage = Stage.CANARY,
    percent: float = 50,
    *,
    name: str = "catalog",
    sticky: Iterable[str] = ("claim:sub",),
    always: Iterable[str] = (),
    never: Iterable[str] = (),
    **others: Any,
) -> Migration:
    """A migration; sticky keys and conditions are written as in the YAML."""
    return Migration(
        name,
        "legacy-service",
        "new-service",
        stage,
        round(percent * 100),
        tuple(map(parse_sticky, sticky)),
        tuple(map(parse_condition, always)),
        tuple(map(parse_condition, never)),
        **others,
    )


def a_request(
    line: str = "GET /",
    *headers: tuple[str, str],
    host: str = "shop.example",
    peer: str = "192.0.2.1",
) -> Request:
    """A request with the method and target of `line`."""
    method, _, target = line.partition(" ")
    path, _, query = target.partition("?")
    fields = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    return Request(method, path, query, host, fields, peer)


def a_snapshot(*routes: Route, default: str | None = "monolith") -> Snapshot:
    """A snapshot of `routes`."""
    return Snapshot(
        version="test",
        listen=ListenAddress("127.0.0.1", 8080),
        admin=ListenAddress("127.0.0.1", 8081),
        providers={},
        upstreams={},
        migrations={route.migration.name: route.migration for route in routes if route.migration is not None},
        routes=routes,
        index=build_index(routes),
        default=default,
    )


def a_caller(**claims: Any) -> Identity:
    """A caller whose token was verified."""
    return identity_of({"sub": "user-17", **claims}, PROVIDER, 2_000_000_000.0)


def chosen(snapshot: Snapshot, request: Request) -> str | int | None:
    """The path of the route that is found, None for none, or the status of a refusal."""
    found = find_route(snapshot, request)
    if isinstance(found, Refusal):
        return found.status
    return None if found is None else found.path
