"""Load a configuration: read, validate, check, compile; all problems at once.

An invalid section doesn't hide what is wrong elsewhere: what can't be
understood is set aside, named things one by one, and the rest is checked
without it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from strangler.config.checks import everything
from strangler.config.checks import routes as route_checks
from strangler.config.checks.checked import Checked, Names
from strangler.config.compile.admin import AdminAccess, read_admin
from strangler.config.compile.changes import with_changes
from strangler.config.compile.credentials import read_provider
from strangler.config.compile.migrations import compile_migrations
from strangler.config.compile.routes import compile_folded, compile_index, compile_routes
from strangler.config.compile.snapshot import Parts, compile_snapshot, compile_test, version_of
from strangler.config.compile.tls import read_tls
from strangler.config.schema.configuration import Configuration
from strangler.config.schema.validation_errors import problems_of
from strangler.config.text.document import Document, Entry, Step, Value
from strangler.config.text.masking import Masking
from strangler.config.text.problems import ConfigurationError, Problem, in_order
from strangler.config.text.yaml_reader import read_document
from strangler.model.migration import Stage
from strangler.model.routing_tests import RoutingTest
from strangler.model.snapshot import Snapshot
from strangler.model.yaml_place import YamlPlace

__all__ = ["ConfigurationError", "Loaded", "Problem", "load"]

# What may be set aside alone, by the length of its path; of all else the whole top-level section.
_NAMED = {"upstreams": 2, "migrations": 2, "routes": 2, "tests": 2, "auth": 3}


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration in which nothing is wrong.

    `watched` are the files that it was made from: a change of one of them, or
    in a folder among them, calls for loading again. `warnings` are what is
    allowed and probably not meant. `rollouts` are the places of the migrations in
    stage `rollout`. `admin` never leaves the control process.
    """

    model: Configuration
    snapshot: Snapshot
    tests: tuple[RoutingTest, ...]
    watched: tuple[Path, ...]
    warnings: tuple[Problem, ...]
    rollouts: Mapping[str, YamlPlace]
    admin: AdminAccess


def load(path: Path, environment: Mapping[str, str] = os.environ) -> Loaded:
    """Load the file, or the folder of `*.yaml` and `*.yml` files, at `path`.

    Raises ConfigurationError with all that is wrong.
    """
    problems: list[Problem] = []
    document = read_document(path, environment, problems)
    collected: list[Problem] = []
    loaded = _load(path, document, environment, collected)
    # What could not be read is not what was written, so no further problems are reported for it.
    unread = {problem.source for problem in problems}
    problems += [problem for problem in collected if problem.source not in unread]
    if loaded is None or problems:
        raise ConfigurationError(Masking(document).masked(problems))
    return replace(loaded, warnings=tuple(Masking(document).masked(loaded.warnings)))


def _load(path: Path, document: Document, environment: Mapping[str, str], problems: list[Problem]) -> Loaded | None:
    names = Names.of(document)
    model, understood = _validate(document, problems)
    complete = understood is document
    if model is None:
        return None

    checked = Checked(model, understood, names)
    problems += everything.problems(checked)
    credentials = {
        str(name): read_provider(name, section, understood, problems) for name, section in model.auth.providers.items()
    }
    tls = read_tls(model, understood, problems)
    admin = read_admin(model, understood, environment, problems)
    migrations = compile_migrations(model)
    routes = compile_routes(model, migrations, understood)
    if not problems:
        routes = with_changes(routes, model)
    index = compile_index(routes, problems)
    folded = None if problems else compile_folded(model, routes, problems)
    if complete:
        problems += route_checks.expectations(checked, (route.name for route in routes))
    if problems:
        return None

    providers = {name: credential.provider for name, credential in credentials.items()}
    secrets = {name: provider.secret for name, provider in providers.items() if provider.secret is not None}
    secrets |= {name: one.session.secret for name, one in providers.items() if one.session is not None}
    version = version_of(document.root.plain(), {**secrets, **tls.content, **admin.secrets})
    folder = Path(document.source("store", "url").file).parent
    return Loaded(
        model=model,
        snapshot=compile_snapshot(model, Parts(version, providers, migrations, routes, index, folded, tls), folder),
        tests=tuple(
            compile_test(section, document.source("tests", number)) for number, section in enumerate(model.tests)
        ),
        watched=_watched(
            path,
            document,
            [*(file for credential in credentials.values() for file in credential.files), *tls.files, *admin.files],
        ),
        warnings=tuple(in_order([*everything.warnings(checked), *tls.warnings])),
        rollouts={
            str(name): document.source("migrations", name, "rollout")
            for name, migration in model.migrations.items()
            if migration.stage is Stage.ROLLOUT
        },
        admin=admin.access,
    )


def _validate(document: Document, problems: list[Problem]) -> tuple[Configuration | None, Document]:
    """The model of `document`, or of what is left of it without what is invalid, and that document."""
    try:
        return Configuration.model_validate(document.root.plain()), document
    except ValidationError as error:
        problems += problems_of(error, document)
        rest = _without(document, [detail["loc"] for detail in error.errors(include_url=False)])
    content = {"version": 1, "upstreams": {}, **rest.root.plain()}
    try:
        return Configuration.model_validate(content), rest
    except ValidationError as error:  # nothing is known to lead here; what was found first stands
        problems += problems_of(error, rest)
        return None, rest


def _without(document: Document, places: Iterable[tuple[Step, ...]]) -> Document:
    """`document` less the smallest independent parts that hold `places`."""
    parts = {place[: _NAMED.get(str(place[0]), 1)] for place in places}
    return Document(_pruned(document.root, (), parts), document.files)


def _pruned(value: Value, path: tuple[Step, ...], parts: set[tuple[Step, ...]]) -> Value:
    if not any(part[: len(path)] == path for part in parts):
        return value
    kept = [(step, child) for step, child in value.children() if (*path, step) not in parts]
    if isinstance(value.content, dict):
        entries = value.content
        return Value(
            value.source,
            {str(step): Entry(entries[str(step)].key, _pruned(child, (*path, step), parts)) for step, child in kept},
        )
    if isinstance(value.content, list):
        return Value(value.source, [_pruned(child, (*path, step), parts) for step, child in kept])
    return value


def _watched(path: Path, document: Document, files: Iterable[Path]) -> tuple[Path, ...]:
    folder = [path] if path.is_dir() else []
    return tuple(dict.fromkeys(file.absolute() for file in (*folder, *document.files, *files)))
