"""The stage of each migration, and what falls back to its legacy side."""

from __future__ import annotations

from typing import Any

from strangler.control.status.totals import WorkerTotals
from strangler.model.snapshot import Snapshot


def migrations_as_json(snapshot: Snapshot, totals: WorkerTotals) -> dict[str, Any]:
    """Every migration by its name."""
    return {
        name: {
            "stage": str(migration.stage),
            "percent": migration.extracted_buckets / 100,
            "rolled_out": migration.rolled_out,
            "legacy": migration.legacy,
            "extracted": migration.extracted,
            "fallbacks": totals.fallbacks_of(name),
        }
        for name, migration in snapshot.migrations.items()
    }
