"""`strangler shadow suggest`: rules for what differs by itself, for a person to accept."""

from __future__ import annotations

import sys
from pathlib import Path

from strangler.cli.shadow.stored import with_store
from strangler.config.compile.compare import rules_of
from strangler.config.load import Loaded
from strangler.shadow.evidence.store import ShadowStore
from strangler.shadow.noise.noise import Noise
from strangler.shadow.noise.suggestions import as_yaml, suggestions
from strangler.store.database import Database


def print_suggestions(config: Path, migration: str) -> int:
    """0, even if nothing is suggested; 1 if the configuration or the store can't be read."""

    def work(loaded: Loaded, database: Database) -> int:
        document = ShadowStore(database).remembered().learned.get(migration)
        thresholds = rules_of(loaded.model, migration).noise
        noise = Noise.read(document, thresholds)
        text = as_yaml(suggestions(noise))
        if text:
            print(text, end="")
            return 0
        twice = sum(operation.asked_twice for operation in noise.operations.values())
        print(
            f"Nothing to suggest: {twice} requests were sent to legacy twice, and no difference is certain to be"
            f" noise (an operation needs {thresholds.pairs} pairs and as many repeated requests; see"
            " shadow.noise_percent).",
            file=sys.stderr,
        )
        return 0

    return with_store(config, work, migration)
