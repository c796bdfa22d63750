"""The store of a configuration, opened for reading, and what goes wrong with that."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from strangler.cli.validate import print_problems
from strangler.config.load import Loaded, load
from strangler.config.text.problems import ConfigurationError, suggestion
from strangler.model.migration import Stage
from strangler.shadow.evidence.store import metadata
from strangler.store.database import Database, StoreError

DEADLINE = 60.0
"""Deadline of one query to the store, in seconds: a report reads all evidence."""


class NoSuchMigration(Exception):
    """The configuration has no migration of that name; the message lists those that it has."""


def with_store(config: Path, work: Callable[[Loaded, Database], int], migration: str | None = None) -> int:
    """The exit code of `work` with the configuration and its store; 1, with a message, where one can't be read.

    A `migration` that does not exist is reported before the store is opened; one
    that copies nothing at its stage is reported in addition.
    """
    try:
        loaded = load(config)
        if migration is not None:
            check_migration(loaded, migration)
            _tell_of_no_copies(loaded, migration)
        database = Database(loaded.snapshot.store.url, metadata, create=False, deadline=DEADLINE)
        try:
            return work(loaded, database)
        finally:
            database.close()
    except ConfigurationError as error:
        print_problems(error)
    except (StoreError, NoSuchMigration) as error:
        print(f"strangler: {error}", file=sys.stderr)
    return 1


def _tell_of_no_copies(loaded: Loaded, name: str) -> None:
    migration = loaded.snapshot.migrations[name]
    if migration.shadow is None:
        both_serve = migration.stage in (Stage.CANARY, Stage.EXTRACTED)
        also = ", or `shadow: {reverse: true}` in this stage" if both_serve else ""
        print(
            f"strangler: the migration '{name}' is in stage {migration.stage.value} here, which copies no"
            f" requests: set `stage: shadow`{also}. Environment variables that the configuration uses must be"
            " set here as for the running gateway.",
            file=sys.stderr,
        )


def check_migration(loaded: Loaded, name: str) -> None:
    """Raises NoSuchMigration unless there is a migration `name`."""
    names = loaded.snapshot.migrations
    if name not in names:
        hint = suggestion(name, names) or f"known: {', '.join(names) or 'none'}"
        raise NoSuchMigration(f"there is no migration '{name}' ({hint})")
