"""The rules of a migration, for comparing responses in a test as the gateway compares them."""

from __future__ import annotations

from pathlib import Path

from strangler.comparison.rules import Rules
from strangler.config.compile.compare import rules_of
from strangler.config.load import load


def load_rules(config: str | Path, migration: str) -> Rules:
    """The rules of `migration` in the configuration at `config`.

    Raises ConfigurationError for an invalid configuration, KeyError where it has no such migration.
    """
    model = load(Path(config)).model
    if migration not in model.migrations:
        raise KeyError(f"{config} has no migration {migration!r}")
    return rules_of(model, migration)
