"""Checks of routes, and of the routing tests that name them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from strangler.config.checks.checked import Checked, Path
from strangler.config.schema.routes import MatchSection
from strangler.config.text.document import Step
from strangler.config.text.problems import Problem
from strangler.model.path_patterns import PatternError, parse_pattern
from strangler.model.route import NO_ROUTE


def problems(checked: Checked) -> Iterator[Problem]:
    """Routes of one name, without an upstream, or with a pattern that can't be understood."""
    first_of: dict[str, int] = {}
    for number, route in enumerate(checked.model.routes):
        path: Path = ("routes", number)
        first = first_of.setdefault(route.name, number)
        if first != number:
            yield checked.problem(
                f"the route '{route.name}' is defined twice",
                *path,
                "name",
                hint=f"first at {checked.document.source('routes', first, 'name')}",
            )
        if route.name == NO_ROUTE:
            yield checked.problem(
                f"the name '{NO_ROUTE}' is reserved for requests that no route matches", *path, "name"
            )
        yield from checked.upstream(route.upstream, *path, "upstream")
        yield from _pattern(checked, route.match, *path, "match")
    for name, migration in checked.model.migrations.items():
        numbers: dict[str, int] = {}
        for number, part in enumerate(migration.routes):
            path = ("migrations", name, "routes", number)
            title = part.name or str(number)
            if numbers.setdefault(title, number) != number:
                yield checked.problem(f"the route '{name}/{title}' is defined twice", *path, "name")
            yield from _pattern(checked, part.match, *path, "match")


def expectations(checked: Checked, routes: Iterable[str]) -> Iterator[Problem]:
    """Routing tests that expect what is not defined; `routes` are the names of all routes."""
    known = {*routes, NO_ROUTE}
    for number, test in enumerate(checked.model.tests):
        path = ("tests", number, "expect")
        if test.expect.route is not None:
            yield from checked.known("route", test.expect.route, known, *path, "route")
        if test.expect.migration is not None:
            yield from checked.known("migration", test.expect.migration, checked.names.migrations, *path, "migration")
        if test.expect.upstream is not None:
            yield from checked.upstream(test.expect.upstream, *path, "upstream")


def _pattern(checked: Checked, match: MatchSection, *path: Step) -> Iterator[Problem]:
    if match.path is not None:
        try:
            parse_pattern(match.path)
        except PatternError as error:
            yield checked.problem(str(error), *path, "path")
