"""What every check looks at: a configuration, the text it was made from, and the names that the text defines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from strangler.config.schema.auth import RequirementSection
from strangler.config.schema.configuration import Configuration
from strangler.config.text.document import Document, Step
from strangler.config.text.problems import Problem, suggestion

Path = tuple[Step, ...]
"""Where something stands in a document: the keys and numbers that lead to it."""


@dataclass(frozen=True, slots=True)
class Names:
    """The names that a document defines, those of invalid definitions too."""

    upstreams: tuple[str, ...]
    providers: tuple[str, ...]
    migrations: tuple[str, ...]

    @classmethod
    def of(cls, document: Document) -> Names:
        """The names in `document`."""
        return cls(document.names("upstreams"), document.names("auth", "providers"), document.names("migrations"))


@dataclass(frozen=True, slots=True)
class Checked:
    """One configuration under check; `document` is what `model` was made from."""

    model: Configuration
    document: Document
    names: Names

    def problem(self, message: str, *path: Step, hint: str | None = None, key: bool = False) -> Problem:
        """A problem with the value at `path`, or with its key."""
        return Problem(self.document.source(*path, key=key), message, hint)

    def upstream(self, name: str, *path: Step) -> Iterator[Problem]:
        """A problem where the upstream `name`, which `path` refers to, is not defined."""
        yield from self.known("upstream", name, self.names.upstreams, *path)

    def known(self, kind: str, name: str, known: Iterable[str], *path: Step) -> Iterator[Problem]:
        """A problem where `name`, which `path` refers to, is not among `known`."""
        known = set(known)
        if name not in known:
            yield self.problem(f"there is no {kind} '{name}'", *path, hint=suggestion(name, known))

    def requirements(self) -> Iterator[tuple[Path, RequirementSection]]:
        """Every `auth` of a route or migration, with its place."""
        for number, route in enumerate(self.model.routes):
            if route.auth is not None:
                yield ("routes", number, "auth"), route.auth
        for name, migration in self.model.migrations.items():
            if migration.auth is not None:
                yield ("migrations", name, "auth"), migration.auth
            for number, part in enumerate(migration.routes):
                if part.auth is not None:
                    yield ("migrations", name, "routes", number, "auth"), part.auth
