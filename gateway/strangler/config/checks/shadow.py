"""What must hold of `shadow:`: a copy may change something only where no caller can see it."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

from strangler.config.checks.checked import Checked
from strangler.config.schema.routes import MigrationSection
from strangler.config.schema.shadow import ShadowSection
from strangler.config.text.document import Step
from strangler.config.text.problems import Problem
from strangler.model.addresses import is_loopback
from strangler.model.methods import COMPARABLE, NEVER_COPIED
from strangler.model.migration import Stage
from strangler.model.upstream import Endpoint
from strangler.rollout.policy import SHADOW


def problems(checked: Checked) -> Iterator[Problem]:
    """Copies that would change what callers see."""
    for name, migration in checked.model.migrations.items():
        if migration.shadow is not None:
            yield from _shadow(checked, name, migration.shadow)


def _shadow(checked: Checked, name: str, shadow: ShadowSection) -> Iterator[Problem]:
    path = ("migrations", name, "shadow")
    for number, method in enumerate(shadow.methods):
        if method in NEVER_COPIED:
            yield checked.problem(f"{method} can't be copied", *path, "methods", number)
        elif method not in COMPARABLE and shadow.sandbox is None:
            yield checked.problem(
                f"copies of {method} requests could change data that callers see",
                *path,
                "methods",
                number,
                hint="name a 'sandbox' upstream that serves no callers, or remove the method",
            )
    if shadow.sandbox is not None:
        yield from checked.upstream(shadow.sandbox, *path, "sandbox")
        yield from _sandbox(checked, shadow.sandbox, *path, "sandbox")


def _sandbox(checked: Checked, name: str, *path: Step) -> Iterator[Problem]:
    live = serving(checked)
    if name in live:
        yield checked.problem(f"'{name}' serves callers, so it can't be the sandbox", *path)
        return
    sandbox = checked.model.upstreams.get(name)
    addresses = {_address(endpoint) for endpoint in sandbox.endpoints} if sandbox is not None else set()
    for other in sorted(live):
        upstream = checked.model.upstreams.get(other)
        if upstream is not None and any(_address(endpoint) in addresses for endpoint in upstream.endpoints):
            yield checked.problem(f"the sandbox '{name}' has an endpoint of '{other}', which serves callers", *path)


def serving(checked: Checked) -> set[str]:
    """The upstreams that serve callers."""
    names = {str(route.upstream) for route in checked.model.routes}
    for migration in checked.model.migrations.values():
        names |= {str(migration.from_), str(migration.to)}
    return names | ({str(checked.model.default)} if checked.model.default is not None else set())


def sandboxes(checked: Checked) -> set[str]:
    """The upstreams that are there for copies alone."""
    shadows = [migration.shadow for migration in checked.model.migrations.values() if migration.shadow is not None]
    return {str(shadow.sandbox) for shadow in shadows if shadow.sandbox is not None}


def warnings(checked: Checked) -> Iterator[Problem]:
    """Shadows that copy nothing, and a store that can't be written."""
    yield from _store(checked)
    for name, migration in checked.model.migrations.items():
        yield from _copies_nothing(checked, name, migration)


def _copies_nothing(checked: Checked, name: str, migration: MigrationSection) -> Iterator[Problem]:
    """A shadow that copies nothing looks like one without mismatches."""
    path = ("migrations", name)
    shadow = migration.shadow or ShadowSection()
    reverse = shadow.reverse and migration.stage in (Stage.CANARY, Stage.EXTRACTED)
    if migration.stage is Stage.ROLLOUT:
        rollout = migration.rollout
        shadowed = rollout is not None and rollout.steps[0] == SHADOW
    else:
        shadowed = migration.stage is Stage.SHADOW
    if not (shadowed or reverse):
        return
    if shadow.percent == 0:
        yield checked.problem(
            f"the migration '{name}' shadows but copies 0 % of the requests", *path, "shadow", "percent"
        )
        return
    copied = COMPARABLE & set(shadow.methods) if reverse else set(shadow.methods)
    for number, route in enumerate(migration.routes):
        if route.match.methods and not copied & set(route.match.methods):
            yield checked.problem(
                f"the migration '{name}' shadows but copies none of this route's methods",
                *path,
                "routes",
                number,
                hint="add them to shadow.methods",
            )


def _store(checked: Checked) -> Iterator[Problem]:
    """A database whose driver is missing here would store nothing."""
    if not str(checked.model.store.url).startswith("postgres"):
        return
    try:
        importlib.import_module("psycopg")
    except ImportError as error:
        yield checked.problem(
            f"the PostgreSQL driver can't be loaded on this machine, so no evidence would be stored: {error}",
            "store",
            "url",
            hint="pip install 'strangler-gateway[postgresql]'",
        )


def _address(endpoint: Endpoint) -> tuple[str, int]:
    """Where an endpoint is, however this machine is called."""
    return ("localhost" if is_loopback(endpoint.host) else endpoint.host, endpoint.port)
