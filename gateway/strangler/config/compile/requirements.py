"""What routes require of callers."""

from __future__ import annotations

from collections.abc import Mapping

from strangler.config.schema.auth import RequirementSection
from strangler.model.auth import AuthRequirement


def compile_requirement(section: RequirementSection | None) -> AuthRequirement | None:
    """What `section` requires; None without one."""
    if section is None:
        return None
    return AuthRequirement(
        providers=tuple(map(str, section.provider)),
        required=section.required,
        scopes=frozenset(map(str, section.scopes)),
        claims=tuple((str(name), str(value)) for name, value in section.claims.items()),
        certificate=None if section.certificate is None else certificate_names(section.certificate),
        upgrade_token=tuple(section.upgrade_token),
    )


def certificate_names(section: Mapping[str, list[str]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Names that a certificate must hold, each with its values."""
    return tuple((str(name), tuple(map(str, values))) for name, values in section.items())
