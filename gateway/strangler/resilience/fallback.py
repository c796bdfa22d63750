"""When the monolith answers because the extracted service can't.

Until a migration is retired the monolith still knows the answer. It is asked
only where that can do no harm: a method that the migration names (the safe ones
unless told otherwise, RFC 9110 section 9.2.1), and for any other than a safe
one only if no byte went to the new service, so that no effect can come twice.
A caller who chose the extracted side by header wants to see what it does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from strangler.model.methods import SAFE
from strangler.model.migration import Stage
from strangler.resilience.retry import Failure

if TYPE_CHECKING:
    from strangler.model.migration import Migration
    from strangler.model.resilience import LegacyFallback, StaticResponse

STAGES = frozenset({Stage.CANARY, Stage.EXTRACTED})


def fallback_of(migration: Migration, method: str) -> LegacyFallback | None:
    """When the legacy side answers such a request for the extracted side; None where it never does."""
    settings = migration.fallback
    if settings is None or migration.stage not in STAGES or method not in settings.methods:
        return None
    return settings


def may_fall_back(migration: Migration, failure: Failure, method: str) -> bool:
    """Whether the legacy side may answer a request for which the extracted side failed."""
    settings = fallback_of(migration, method)
    if settings is None or (failure.cause == "status" and failure.status not in settings.statuses):
        return False
    return method in SAFE or not failure.sent


def may_answer(static: StaticResponse, method: str) -> bool:
    """Whether a static answer may be given: success is never claimed for what should have changed something."""
    return static.status >= 400 or method in SAFE
