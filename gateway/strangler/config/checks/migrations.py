"""Checks of migrations: their two sides, and what their stage needs."""

from __future__ import annotations

from collections.abc import Iterator

from strangler.config.checks.checked import Checked
from strangler.config.text.problems import Problem
from strangler.model.migration import Stage


def problems(checked: Checked) -> Iterator[Problem]:
    """Sides that are missing or the same, and a canary without a share."""
    for name, migration in checked.model.migrations.items():
        path = ("migrations", name)
        yield from checked.upstream(migration.from_, *path, "from")
        yield from checked.upstream(migration.to, *path, "to")
        if migration.from_ == migration.to:
            yield checked.problem(f"'from' and 'to' are the same upstream, '{migration.to}'", *path, "to")
        if migration.stage is Stage.CANARY and (migration.canary is None or migration.canary.percent is None):
            yield checked.problem(
                f"{'.'.join(path)}: stage canary requires the section 'canary' with a percentage",
                *path,
                "stage",
                hint="for example canary: {percent: 10}",
            )
