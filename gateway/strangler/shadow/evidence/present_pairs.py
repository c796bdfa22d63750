"""What the pairs of a migration's present epoch show now, for who decides by it: counts, without examples or words.

The pairs that count are those of the report (`stored_evidence`): evidence alone,
no questions of access, each unit once an hour.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.engine import Connection

from strangler.comparison.compare import Outcome
from strangler.shadow.evidence.counts import OutcomeCount, select_counts
from strangler.shadow.evidence.epochs import CHANGING
from strangler.shadow.evidence.tables import epochs, self_tests, variety
from strangler.shadow.evidence.unwritten import AGAINST
from strangler.shadow.evidence.variety import Variety

TOGETHER = 60.0
"""Seconds within which two epochs take turns while a version is rolled out; the newer one is the present one."""
SHORTEST_SPAN = 60.0
"""Seconds over which a rate of pairs is measured at the least."""


@dataclass(frozen=True, slots=True)
class OperationPairs:
    """The pairs of an operation that are evidence: those that match, and by class of risk those that do not."""

    operation: str
    right: int
    wrong: Mapping[str, int]
    per_second: float

    @property
    def compared(self) -> int:
        """All of them."""
        return self.right + sum(self.wrong.values())


@dataclass(frozen=True, slots=True)
class PresentPairs:
    """The present epoch: what it is about, and its pairs.

    `settings`, `resets` and the versions are those of the epoch (`EpochKey`).
    `changing` tells that a version header has another value with each response.
    `tested_at` and `failure` are those of the last self-test in the epoch.
    `compared_share` is the share of the sampled requests that were compared.
    """

    settings: str
    resets: int
    legacy: str
    extracted: str
    changing: bool
    tested_at: float | None
    failure: str
    compared_share: float
    operations: tuple[OperationPairs, ...]


def present_pairs(connection: Connection, migration: str, now: float) -> PresentPairs | None:
    """The pairs of the present epoch of `migration`; None where nothing was ever compared."""
    query = select(epochs).where(epochs.c.migration == migration).order_by(epochs.c.began.desc())
    rows = connection.execute(query).all()
    latest = max((row.last for row in rows), default=0.0)
    epoch = next((row for row in rows if row.last >= latest - TOGETHER), None)
    if epoch is None:
        return None
    tested = connection.execute(
        select(self_tests.c.at, self_tests.c.failure).where(
            self_tests.c.migration == migration, self_tests.c.epoch == epoch.epoch
        )
    ).first()
    counts = select_counts(connection, migration, epoch.epoch, 0)
    sampled = sum(row.requests for row in counts if row.is_sampled)
    compared = sum(row.requests for row in counts if row.outcome != Outcome.NOT_COMPARED)
    units = connection.execute(
        select(variety.c.operation, variety.c.sketches).where(
            variety.c.migration == migration, variety.c.epoch == epoch.epoch
        )
    )
    hours = math.floor(epoch.last / 3600) - math.floor(epoch.began / 3600) + 1
    most = {row.operation: most_evidence(Variety.read(bytes(row.sketches)), hours) for row in units}
    span = max(now - epoch.began, SHORTEST_SPAN)
    return PresentPairs(
        settings=epoch.settings,
        resets=epoch.resets,
        legacy=epoch.legacy,
        extracted=epoch.extracted,
        changing=CHANGING in (epoch.legacy, epoch.extracted),
        tested_at=None if tested is None else tested.at,
        failure="" if tested is None else tested.failure,
        compared_share=compared / sampled if sampled else 1.0,
        operations=tuple(
            _operation(name, [row for row in counts if row.operation == name], most.get(name, 0), span)
            for name in sorted({row.operation for row in counts if row.is_sampled})
        ),
    )


def most_evidence(known: Variety, hours: int) -> int:
    """The most pairs that can be evidence: each unit once an hour, however many gateways and restarts there were.

    The count of units is right to about 3 %; a tenth more is allowed for.
    """
    return math.ceil(known.units.count() * 1.1 + 1) * hours


def _operation(name: str, rows: list[OutcomeCount], most: int, span: float) -> OperationPairs:
    proving = [row for row in rows if row.evidence and row.outcome != Outcome.NOT_COMPARED and not row.is_about_access]
    wrong: dict[str, int] = {}
    for row in proving:
        if row.outcome in AGAINST:
            wrong[row.risk] = wrong.get(row.risk, 0) + row.requests
    right = min(sum(row.requests for row in proving if row.outcome not in AGAINST), most)
    return OperationPairs(name, right, wrong, (right + sum(wrong.values())) / span)
