"""When the monolith responds because the extracted service fails.

Until a migration is retired the monolith can still serve its requests. It gets
a request only where that is harmless: for the methods that the migration lists
(by default the safe ones, RFC 9110 section 9.2.1), and for a method that is not
safe only if no byte was sent to the new service, so that no effect can happen
twice. A client that chose the extracted side by header gets no fallback: it
wants to see how that side behaves.
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
    """Return when the legacy side may respond to such a request for the extracted side; None if never."""
    settings = migration.fallback
    if settings is None or migration.stage not in STAGES or method not in settings.methods:
        return None
    return settings


def may_fall_back(migration: Migration, failure: Failure, method: str) -> bool:
    """Return whether the legacy side may respond to a request that the extracted side failed."""
    settings = fallback_of(migration, method)
    if settings is None or (failure.cause == "status" and failure.status not in settings.statuses):
        return False
    return method in SAFE or not failure.sent


def may_answer(static: StaticResponse, method: str) -> bool:
    """Return whether a static response may be sent: it never claims success for a request that changes state."""
    return static.status >= 400 or method in SAFE
