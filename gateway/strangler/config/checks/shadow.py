"""What must hold of `shadow:`: a copy may change something only where no caller can see it."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass

from strangler.config.schema.configuration import Configuration
from strangler.config.schema.routes import MigrationSection
from strangler.config.schema.shadow import ShadowSection
from strangler.config.text.document import Document, Step
from strangler.config.text.problems import Problem
from strangler.model.addresses import is_loopback
from strangler.model.methods import COMPARABLE, NEVER_COPIED
from strangler.model.migration import Stage
from strangler.model.upstream import Endpoint


@dataclass(frozen=True, slots=True)
class ShadowChecks:
    """The checks of one configuration's shadows; `document` is what `model` was made from."""

    model: Configuration
    document: Document

    def problems(self, name: str, shadow: ShadowSection) -> Iterator[Problem]:
        """What is wrong with the shadow of the migration `name`; that the sandbox exists is checked elsewhere."""
        path = ("migrations", name, "shadow")
        for number, method in enumerate(shadow.methods):
            if method in NEVER_COPIED:
                yield self._problem(f"{method} can't be copied", *path, "methods", number)
            elif method not in COMPARABLE and shadow.sandbox is None:
                yield self._problem(
                    f"copies of {method} would change what callers see",
                    *path,
                    "methods",
                    number,
                    hint="name a 'sandbox' upstream that serves nobody else, or leave the method out",
                )
        if shadow.sandbox is not None:
            yield from self._sandbox(shadow.sandbox, *path, "sandbox")

    def _sandbox(self, name: str, *path: Step) -> Iterator[Problem]:
        live = self.live()
        if name in live:
            yield self._problem(f"'{name}' serves callers, so it can't be the sandbox", *path)
            return
        sandbox = self.model.upstreams.get(name)
        addresses = {_address(endpoint) for endpoint in sandbox.endpoints} if sandbox is not None else set()
        for other in sorted(live):
            serving = self.model.upstreams.get(other)
            if serving is not None and any(_address(endpoint) in addresses for endpoint in serving.endpoints):
                yield self._problem(f"the sandbox '{name}' has an endpoint of '{other}', which serves callers", *path)

    def live(self) -> set[str]:
        """The upstreams that serve callers."""
        live = {str(route.upstream) for route in self.model.routes}
        for migration in self.model.migrations.values():
            live |= {str(migration.from_), str(migration.to)}
        return live | ({str(self.model.default)} if self.model.default is not None else set())

    def used(self) -> set[str]:
        """The upstreams that are there for copies alone."""
        shadows = [migration.shadow for migration in self.model.migrations.values() if migration.shadow is not None]
        return {str(shadow.sandbox) for shadow in shadows if shadow.sandbox is not None}

    def warnings(self, name: str, migration: MigrationSection) -> Iterator[Problem]:
        """A shadow that can find nothing out looks like one that finds nothing wrong."""
        path = ("migrations", name)
        shadow = migration.shadow or ShadowSection()
        reverse = shadow.reverse and migration.stage in (Stage.CANARY, Stage.EXTRACTED)
        if migration.stage is not Stage.SHADOW and not reverse:
            return
        if shadow.percent == 0:
            yield self._problem(f"the migration '{name}' shadows, but copies 0 %", *path, "shadow", "percent")
            return
        copied = COMPARABLE & set(shadow.methods) if reverse else set(shadow.methods)
        for number, route in enumerate(migration.routes):
            if route.match.methods and not copied & set(route.match.methods):
                yield self._problem(
                    f"the migration '{name}' shadows, but copies none of this route's methods",
                    *path,
                    "routes",
                    number,
                    hint="name them in shadow.methods",
                )

    def store_warnings(self) -> Iterator[Problem]:
        """A database whose driver is missing here would store nothing."""
        if not str(self.model.store.url).startswith("postgres"):
            return
        try:
            importlib.import_module("psycopg")
        except ImportError as error:
            yield self._problem(
                f"the driver for PostgreSQL can't be loaded on this machine, so no evidence would be stored: {error}",
                "store",
                "url",
                hint="pip install 'strangler-gateway[postgresql]'",
            )

    def _problem(self, message: str, *path: Step, hint: str | None = None) -> Problem:
        return Problem(self.document.source(*path), message, hint)


def _address(endpoint: Endpoint) -> tuple[str, int]:
    """Where an endpoint is, however this machine is called."""
    return ("localhost" if is_loopback(endpoint.host) else endpoint.host, endpoint.port)
