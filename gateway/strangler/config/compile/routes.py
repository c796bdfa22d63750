"""Routes, and the indexes that find them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from strangler.config.compile.rate_limits import compile_rate_limits
from strangler.config.compile.requirements import compile_requirement
from strangler.config.compile.resilience import compile_retries, compile_route_fallback, route_timeouts
from strangler.config.compile.upstreams import compile_timeouts, folding_of
from strangler.config.schema.configuration import Configuration
from strangler.config.schema.routes import MigrationRouteSection, RouteSection
from strangler.config.text.document import Document
from strangler.config.text.problems import Problem
from strangler.model.auth import AuthRequirement
from strangler.model.folding import EXACT, WORDS
from strangler.model.migration import Migration
from strangler.model.path_patterns import PatternError, parse_pattern
from strangler.model.rate_limits import RateLimit
from strangler.model.resilience import Hedging, Retries
from strangler.model.route import FieldMatch, Route
from strangler.model.route_index import AmbiguityError, RouteIndex, build_index
from strangler.model.upstream import Timeouts
from strangler.model.yaml_place import YamlPlace

EVERY_PATH = "/**"


@dataclass(frozen=True, slots=True)
class _Written:
    """A route as it was written: its section, place, full name and migration; `auth` is its own or its migration's."""

    source: YamlPlace
    name: str
    section: RouteSection | MigrationRouteSection
    migration: Migration | None
    auth: AuthRequirement | None


@dataclass(frozen=True, slots=True)
class _Policies:
    """A route's policies for failures and limits, including those of its migration."""

    sides: tuple[str, ...]
    rate_limits: tuple[RateLimit, ...]
    timeouts: Mapping[str, Timeouts]
    retries: Retries
    hedging: Hedging | None


def compile_routes(model: Configuration, migrations: Mapping[str, Migration], document: Document) -> tuple[Route, ...]:
    """All routes, those of migrations and the others, in the order of the file."""
    files = {str(file): number for number, file in enumerate(document.files)}
    written = sorted(
        _written(model, migrations, document),
        key=lambda route: (files.get(route.source.file, 0), route.source.line, route.source.column),
    )
    return tuple([_route(route, number, _policies(route, model), model) for number, route in enumerate(written)])


def _written(model: Configuration, migrations: Mapping[str, Migration], document: Document) -> Iterable[_Written]:
    for name, section in model.migrations.items():
        own = compile_requirement(section.auth)
        for number, part in enumerate(section.routes):
            source = document.source("migrations", name, "routes", number)
            title = f"{name}/{number if part.name is None else part.name}"
            yield _Written(source, title, part, migrations[name], compile_requirement(part.auth) or own)
    for number, route in enumerate(model.routes):
        source = document.source("routes", number)
        yield _Written(source, str(route.name), route, None, compile_requirement(route.auth))


def _policies(route: _Written, model: Configuration) -> _Policies:
    section, migration = route.section, route.migration
    if isinstance(section, RouteSection):
        sides: tuple[str, ...] = (str(section.upstream),)
        timeouts, retries, hedging = [section.timeouts], section.retries, section.hedging
        rate_limits = compile_rate_limits(route.name, section.rate_limits)
    else:
        assert migration is not None
        common = model.migrations[migration.name]
        sides = (migration.legacy, migration.extracted)
        timeouts = [common.timeouts, section.timeouts]
        retries = section.retries or common.retries
        hedging = section.hedging or common.hedging
        rate_limits = compile_rate_limits(f"{migration.name}/*", common.rate_limits)
        rate_limits += compile_rate_limits(route.name, section.rate_limits)
    own = {side: compile_timeouts(model.upstreams[side]) for side in sides if side in model.upstreams}
    return _Policies(
        sides,
        rate_limits,
        route_timeouts(own, timeouts),
        Retries() if retries is None else compile_retries(retries),
        None if hedging is None else Hedging(hedging.after),
    )


def _route(route: _Written, number: int, policies: _Policies, model: Configuration) -> Route:
    match, migration = route.section.match, route.migration
    return Route(
        name=route.name,
        number=number,
        host=match.host or "",
        path=str(match.path or EVERY_PATH),
        methods=frozenset(map(str, match.methods or ())),
        headers=tuple(FieldMatch(name.lower(), _text(value)) for name, value in match.headers.items()),
        query=tuple(FieldMatch(str(name), _text(value)) for name, value in match.query.items()),
        upstream=policies.sides[0],
        migration=migration,
        auth=route.auth,
        source=route.source,
        folding=folding_of(model, *policies.sides),
        shadowed=migration is not None and migration.shadow is not None,
        rate_limits=policies.rate_limits,
        timeouts=policies.timeouts,
        retries=policies.retries,
        hedging=policies.hedging,
        fallback=compile_route_fallback(route.section.fallback),
    )


def compile_index(routes: Iterable[Route], problems: list[Problem], folding: int = EXACT) -> RouteIndex:
    """The index of `routes` under `folding`; those that tie are added to `problems`."""
    sound = []
    for route in routes:
        try:
            parse_pattern(route.path)
        except PatternError:
            continue  # reported by the checks, at its place
        sound.append(route)
    try:
        return build_index(sound, folding)
    except AmbiguityError as error:
        # One problem a route is enough: of a hundred that are the same there are 4,950 pairs.
        told: set[str] = set()
        said = f" once {WORDS[folding]} is ignored, as an upstream's 'paths' say" if folding else ""
        for first, second in error.pairs:
            if second.name not in told:
                told.add(second.name)
                problems.append(
                    Problem(
                        second.source,
                        f"the route '{second.name}' can match the same request as '{first.name}' at"
                        f" {first.source}, and neither is more specific" + said,
                    )
                )
        return build_index(())


def compile_folded(
    model: Configuration, routes: Iterable[Route], problems: list[Problem]
) -> Mapping[int, RouteIndex] | None:
    """The index of `routes` for each way in which upstreams fold paths; None where all take them as they are."""
    routes = tuple(routes)
    used = {route.folding for route in routes}
    used.add(EXACT if model.default is None else folding_of(model, str(model.default)))
    used |= {one | other for one in used for other in used}
    return {folding: compile_index(routes, problems, folding) for folding in sorted(used - {EXACT})} or None


def _text(value: str | None) -> str | None:
    return None if value is None else str(value)
