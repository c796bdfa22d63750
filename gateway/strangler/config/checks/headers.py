"""Checks of conditions on request headers: useless on those that clients can't send, rarely meant on dropped ones.

A condition on an identity header would hold for whatever a client writes there,
and never for what the gateway itself sets.
"""

from __future__ import annotations

from collections.abc import Iterator

from strangler.config.checks.checked import Checked
from strangler.config.schema.rate_limits import RateLimitSection
from strangler.config.schema.routes import MatchSection, MigrationSection
from strangler.config.text.document import Step
from strangler.config.text.problems import Problem, suggestion
from strangler.model.dropped_fields import (
    BELIEVED,
    FORWARDED,
    GROUPS,
    IDENTITY,
    PASSABLE,
    PATH_GROUP,
    folded,
    folded_names,
)

_PATHS = folded_names(PATH_GROUP)


def problems(checked: Checked) -> Iterator[Problem]:
    """Everything that is wrong."""
    for name, place in _asked(checked):
        if folded(name) in IDENTITY:
            yield checked.problem(
                f"the header {name} is set by the gateway alone; what a client sends is dropped",
                *place,
                key="headers" in place,
                hint="use a claim or a scope",
            )
    for name, sender in checked.model.pass_headers.items():
        if folded(name) not in PASSABLE:
            yield _not_passable(checked, name)
        elif sender == "proxies" and not checked.model.trusted_proxies:
            yield checked.problem(
                f"the header {name} can never pass: there are no trusted proxies",
                "pass_headers",
                name,
                hint="list them in 'trusted_proxies', or write 'anyone'",
            )


def warnings(checked: Checked) -> Iterator[Problem]:
    """What is allowed and probably not meant."""
    passed = {folded(name) for name in checked.model.pass_headers}
    for name, place in _asked(checked):
        if folded(name) in (FORWARDED | BELIEVED) - passed:
            yield checked.problem(
                f"any client can send the header {name}, and the upstream never receives it",
                *place,
                key="headers" in place,
                hint="use a condition that a token or a certificate proves",
            )
    for name, sender in checked.model.pass_headers.items():
        if sender == "anyone" and folded(name) in _PATHS:
            yield checked.problem(
                f"with the header {name}, any client can choose what the upstream serves and bypass routes and 'auth'",
                "pass_headers",
                name,
                hint="write 'proxies' if a trusted proxy sends it",
            )


def _not_passable(checked: Checked, name: str) -> Problem:
    if any(folded(name) == folded(one) for group in GROUPS for one in group.names):
        return checked.problem(
            f"the header {name} can't be passed on: the gateway sets it itself", "pass_headers", name, key=True
        )
    known = [one for group in GROUPS if group.passable for one in group.names]
    return checked.problem(
        f"the gateway does not drop the header {name}, so there is nothing to pass",
        "pass_headers",
        name,
        key=True,
        hint=suggestion(name, known) or "leave it out",
    )


def _asked(checked: Checked) -> Iterator[tuple[str, tuple[Step, ...]]]:
    """The headers that conditions and keys look at, with their places."""
    for number, route in enumerate(checked.model.routes):
        path: tuple[Step, ...] = ("routes", number)
        yield from _match(route.match, *path)
        yield from _rate_limits(route.rate_limits, *path)
    for name, migration in checked.model.migrations.items():
        yield from _migration(migration, "migrations", name)


def _migration(migration: MigrationSection, *path: Step) -> Iterator[tuple[str, tuple[Step, ...]]]:
    for field, conditions in (("always", migration.always), ("never", migration.never)):
        for number, condition in enumerate(conditions):
            if condition.kind == "header":
                yield condition.name, (*path, field, number)
    for number, key in enumerate((migration.canary and migration.canary.sticky) or []):
        if key.kind == "header":
            yield key.name, (*path, "canary", "sticky", number)
    if migration.override is not None:
        yield migration.override.header, (*path, "override", "header")
    yield from _rate_limits(migration.rate_limits, *path)
    for number, part in enumerate(migration.routes):
        yield from _match(part.match, *path, "routes", number)
        yield from _rate_limits(part.rate_limits, *path, "routes", number)


def _match(match: MatchSection, *path: Step) -> Iterator[tuple[str, tuple[Step, ...]]]:
    for name in match.headers:
        yield name, (*path, "match", "headers", name)


def _rate_limits(limits: list[RateLimitSection], *path: Step) -> Iterator[tuple[str, tuple[Step, ...]]]:
    for number, limit in enumerate(limits):
        for place, key in enumerate(limit.key or []):
            if key.kind == "header":
                yield key.name, (*path, "rate_limits", number, "key", place)
