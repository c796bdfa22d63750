"""Checks of conditions on callers: a claim needs a verified token, a certificate needs `tls.client_ca`.

A condition that can never hold looks like protection and is none.
"""

from __future__ import annotations

from collections.abc import Iterator

from strangler.config.checks.checked import Checked, Path
from strangler.config.schema.routes import MigrationSection
from strangler.config.text.document import Step
from strangler.config.text.problems import Problem
from strangler.model.caller import Condition, StickyKey


def problems(checked: Checked) -> Iterator[Problem]:
    """Providers that are missing or repeated, and conditions that can never hold."""
    for place, requirement in checked.requirements():
        for name in requirement.provider:
            yield from checked.known("provider", name, checked.names.providers, *place, "provider")
        if len(set(requirement.provider)) < len(requirement.provider):
            yield checked.problem("a provider is listed twice", *place, "provider")
        if requirement.certificate is not None:
            yield from _needs_certificates(checked, "'certificate'", *place, "certificate")
    for name, migration in checked.model.migrations.items():
        verifies = _verifies_tokens(migration)
        for asked, place in _asked(name, migration):
            if asked.kind == "certificate":
                yield from _needs_certificates(checked, f"'{asked}'", *place)
            elif asked.kind in ("claim", "scope") and not verifies:
                yield checked.problem(
                    f"'{asked}' can never hold: no token is verified in the migration '{name}'",
                    *place,
                    hint="add 'auth' to the migration, with 'required: false' if callers may be anonymous",
                )


def warnings(checked: Checked) -> Iterator[Problem]:
    """Providers that no route uses."""
    used = {name for _, requirement in checked.requirements() for name in requirement.provider}
    for name in checked.model.auth.providers:
        if name not in used:
            yield checked.problem(f"the provider '{name}' is not used", "auth", "providers", name, key=True)


def _verifies_tokens(migration: MigrationSection) -> bool:
    requirements = (migration.auth, *(route.auth for route in migration.routes))
    return any(requirement is not None and requirement.provider for requirement in requirements)


def _asked(name: str, migration: MigrationSection) -> Iterator[tuple[Condition | StickyKey, Path]]:
    """The conditions and keys of a migration, with their places."""
    path = ("migrations", name)
    for field, conditions in (("always", migration.always), ("never", migration.never)):
        for number, condition in enumerate(conditions):
            yield condition, (*path, field, number)
    for number, key in enumerate((migration.canary and migration.canary.sticky) or []):
        yield key, (*path, "canary", "sticky", number)
    if migration.override is not None:
        yield migration.override.permitted, (*path, "override", "permitted")


def _needs_certificates(checked: Checked, what: str, *path: Step) -> Iterator[Problem]:
    """Client certificates are present only if clients are asked for them."""
    if checked.document.get("tls", "client_ca") is None:
        yield checked.problem(
            f"{what} can never hold: clients are not asked for certificates", *path, hint="set 'tls.client_ca'"
        )
