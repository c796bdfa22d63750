"""All checks of a configuration. Each module checks one subject: `problems` are errors, `warnings` are not."""

from __future__ import annotations

from collections.abc import Iterator

from strangler.config.checks import (
    callers,
    changes,
    compare,
    headers,
    listeners,
    migrations,
    paths,
    resilience,
    rollout,
    routes,
    shadow,
    upstreams,
)
from strangler.config.checks.checked import Checked
from strangler.config.text.problems import Problem

_PROBLEMS = (
    listeners.problems,
    upstreams.problems,
    routes.problems,
    migrations.problems,
    rollout.problems,
    shadow.problems,
    callers.problems,
    compare.problems,
    resilience.problems,
    headers.problems,
    changes.problems,
)
_WARNINGS = (
    listeners.warnings,
    upstreams.warnings,
    callers.warnings,
    compare.warnings,
    resilience.warnings,
    headers.warnings,
    paths.warnings,
    shadow.warnings,
    rollout.warnings,
)


def problems(checked: Checked) -> Iterator[Problem]:
    """Everything that is wrong."""
    for check in _PROBLEMS:
        yield from check(checked)


def warnings(checked: Checked) -> Iterator[Problem]:
    """What is allowed and probably a mistake."""
    for check in _WARNINGS:
        yield from check(checked)
