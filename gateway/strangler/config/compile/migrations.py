"""Migrations: their sides, the canary, and what is copied."""

from __future__ import annotations

from strangler.config.compile.resilience import compile_breaker, compile_legacy_fallback
from strangler.config.schema.configuration import Configuration
from strangler.config.schema.routes import MigrationSection
from strangler.config.schema.shadow import RedactSection, ShadowSection
from strangler.model.caller import Override, StickyKey
from strangler.model.migration import Migration, Stage
from strangler.model.shadow import Keep, Redact, Shadow

_SUBJECT = StickyKey("claim", "sub")
_VISITOR = StickyKey("visitor")


def compile_migrations(model: Configuration) -> dict[str, Migration]:
    """The migrations by name."""
    return {str(name): _migration(str(name), section) for name, section in model.migrations.items()}


def _migration(name: str, section: MigrationSection) -> Migration:
    canary = section.canary
    if canary is not None and canary.sticky is not None:
        sticky = tuple(canary.sticky)
    else:
        verified = section.auth is not None or any(route.auth is not None for route in section.routes)
        sticky = (_SUBJECT, _VISITOR) if verified else (_VISITOR,)
    override = section.override
    stage = section.stage
    rolled_out = stage is Stage.ROLLOUT
    shadow = compile_shadow(section.shadow)
    mirrors = stage is Stage.SHADOW or (shadow.reverse and stage in (Stage.CANARY, Stage.EXTRACTED))
    return Migration(
        name=name,
        legacy=str(section.from_),
        extracted=str(section.to),
        stage=stage,
        threshold=0 if canary is None or canary.percent is None or rolled_out else round(canary.percent * 100),
        sticky=sticky,
        always=tuple(section.always),
        never=tuple(section.never),
        override=None if override is None else Override(str(override.header), override.permitted),
        shadow=shadow if mirrors else None,
        breaker=compile_breaker(section.breaker),
        fallback=compile_legacy_fallback(section.fallback),
        rolled_out=rolled_out,
    )


def compile_shadow(section: ShadowSection | None) -> Shadow:
    """The shadowing of `section`; the defaults without one."""
    if section is None:
        return Shadow()
    said = {name: getattr(section, name) for name in ShadowSection.model_fields}
    said["methods"] = frozenset(map(str, section.methods))
    said["sandbox"] = None if section.sandbox is None else str(section.sandbox)
    said["redact"] = compile_redact(section.redact)
    said["keep"] = Keep(section.keep.age, section.keep.size)
    version = said.pop("version")
    said["version_header"] = None if version is None else str(version.header).lower()
    return Shadow(**said)


def compile_redact(section: RedactSection) -> Redact:
    """What is redacted besides credentials."""
    return Redact(frozenset(name.lower() for name in section.names), section.card_numbers)
