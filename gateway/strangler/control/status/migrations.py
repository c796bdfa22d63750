"""The stage of each migration, and what falls back to its legacy side."""

from __future__ import annotations

from typing import Any

from strangler.control.status.totals import WorkerTotals
from strangler.model.migration import Migration, Stage
from strangler.model.snapshot import Snapshot


def migrations_as_json(snapshot: Snapshot, totals: WorkerTotals) -> dict[str, Any]:
    """Every migration by its name."""
    return {
        name: {
            "stage": str(migration.stage),
            "percent": _percent(migration),
            "rolled_out": migration.rolled_out,
            "legacy": migration.legacy,
            "extracted": migration.extracted,
            "fallbacks": totals.fallbacks_of(name),
        }
        for name, migration in snapshot.migrations.items()
    }


def _percent(migration: Migration) -> float:
    """The share of callers on the extracted side."""
    match migration.stage:
        case Stage.CANARY:
            return migration.threshold / 100
        case Stage.EXTRACTED | Stage.RETIRED:
            return 100.0
        case _:
            return 0.0
