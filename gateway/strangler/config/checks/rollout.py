"""What must hold of `rollout:`, and what can't work: a gate that sees nothing holds a rollout for ever."""

from __future__ import annotations

from collections.abc import Iterator

from strangler.config.checks.checked import Checked, Path
from strangler.config.schema.rollout import RolloutSection
from strangler.config.schema.routes import MigrationSection
from strangler.config.text.problems import Problem
from strangler.config.values.rollout import step_text
from strangler.model.methods import SAFE
from strangler.model.migration import Stage
from strangler.rollout.policy import EXTRACTED, SHADOW

FIRST_SHARE = 1.0
"""The largest first share, in percent, that meets few enough callers if the release is bad."""


def problems(checked: Checked) -> Iterator[Problem]:
    """A rollout without rules, and rules about steps and migrations that are not there."""
    for name, migration in checked.model.migrations.items():
        path: Path = ("migrations", name)
        if migration.stage is Stage.ROLLOUT and migration.rollout is None:
            yield checked.problem(
                f"{'.'.join(map(str, path))}: stage rollout requires the section 'rollout'",
                *path,
                "stage",
                hint="rollout: {} has sound defaults",
            )
        if migration.rollout is not None:
            yield from _dependencies(checked, str(name), migration.rollout)
            yield from _approvals(checked, migration.rollout, (*path, "rollout", "gates", "approval", "before"))


def _dependencies(checked: Checked, name: str, rollout: RolloutSection) -> Iterator[Problem]:
    for number, other in enumerate(rollout.depends_on):
        place: Path = ("migrations", name, "rollout", "depends_on", number)
        yield from checked.known("migration", other, checked.names.migrations, *place)
        if name == other or name in _needed_by(checked, other):
            yield checked.problem(f"'{name}' would depend on itself", *place)


def _needed_by(checked: Checked, name: str) -> set[str]:
    """The migrations that `name` depends on, also by others."""
    needed: set[str] = set()
    waiting = [name]
    while waiting:
        migration = checked.model.migrations.get(waiting.pop())
        if migration is not None and migration.rollout is not None:
            fresh = set(map(str, migration.rollout.depends_on)) - needed
            needed |= fresh
            waiting += fresh
    return needed


def _approvals(checked: Checked, rollout: RolloutSection, path: Path) -> Iterator[Problem]:
    approval = rollout.gates.approval
    for number, step in enumerate(approval.before if approval is not None else ()):
        if step not in rollout.steps:
            steps = ", ".join(map(step_text, rollout.steps))
            yield checked.problem(f"'{step_text(step)}' is not one of the steps {steps}", *path, number)


def warnings(checked: Checked) -> Iterator[Problem]:
    """Rollouts that can't work as they are written."""
    for name, migration in checked.model.migrations.items():
        if migration.stage is Stage.ROLLOUT and migration.rollout is not None:
            yield from _of_callers(checked, str(name), migration)
            yield from _of_pairs(checked, str(name), migration, migration.rollout)
            yield from _of_steps(checked, str(name), migration.rollout)
            yield from _of_writes(checked, str(name), migration, migration.rollout)


def _of_callers(checked: Checked, name: str, migration: MigrationSection) -> Iterator[Problem]:
    sticky = migration.canary.sticky if migration.canary is not None else None
    if sticky is not None and all(key.kind == "none" for key in sticky):
        yield checked.problem(
            f"the rollout of '{name}' can count no caller, because no sticky key tells one from another",
            *("migrations", name, "canary", "sticky"),
            hint="write claim:NAME, header:NAME, cookie:NAME or visitor",
        )


def _of_pairs(checked: Checked, name: str, migration: MigrationSection, rollout: RolloutSection) -> Iterator[Problem]:
    if not rollout.gates.equivalence.enabled:
        return
    place: Path = ("migrations", name, "rollout")
    shadow = migration.shadow
    if rollout.steps[0] != SHADOW:
        why = "its first step is not shadow"
    elif shadow is not None and shadow.percent == 0:
        why = "its shadow copies 0 % of the requests"
    else:
        return
    yield checked.problem(
        f"the equivalence gate of '{name}' can't be measured: {why}",
        *place,
        hint="begin 'steps' with shadow, or set gates.equivalence.enabled to false",
    )


def _of_steps(checked: Checked, name: str, rollout: RolloutSection) -> Iterator[Problem]:
    first = next(step for step in rollout.steps if step != SHADOW)
    if first > FIRST_SHARE:
        place: Path = ("migrations", name, "rollout")
        share = "all callers" if first == EXTRACTED else f"{first:g} % of the callers"
        yield checked.problem(
            f"the first share of '{name}' is {share}, and so many meet a bad release before it is stopped",
            *((*place, "steps") if "steps" in rollout.model_fields_set else place),
            hint=f"begin with {FIRST_SHARE:g} % or less",
        )


def _of_writes(checked: Checked, name: str, migration: MigrationSection, rollout: RolloutSection) -> Iterator[Problem]:
    moved = [route for route in migration.routes if not route.match.methods or set(route.match.methods) - SAFE]
    if moved and rollout.writes is None:
        yield checked.problem(
            f"the rollout of '{name}' moves writes, and 'writes' does not tell how data comes back after a rollback",
            *("migrations", name, "rollout"),
            hint="for example writes: both sides share one database; or list only GET and HEAD in the routes' methods",
        )
