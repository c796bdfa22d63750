"""The messages between the control process, its workers and its judge.

They are framed by `pickle_stream`, over a socket pair that the child inherits.
A worker that loses its control process serves on with what it has, until
another control process connects (workers/handover.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from strangler.model.snapshot import Snapshot
from strangler.model.upstream import Endpoint
from strangler.observe.worker_report import WorkerReport

if TYPE_CHECKING:
    from strangler.config.schema.compare import CompareSection
    from strangler.proxy.prepared_snapshot import Derived


@dataclass(frozen=True, slots=True)
class Apply:
    """Serve by this snapshot from now on."""

    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class Prepared(Apply):
    """The same, with what is derived from the snapshot; a worker makes this from a large `Apply`."""

    derived: Derived


@dataclass(frozen=True, slots=True)
class Keys:
    """A provider's newest key set as a JWKS document, None while there is none.

    Within `refetch_after` seconds no newer one will be fetched.
    """

    provider: str
    document: bytes | None
    refetch_after: float


@dataclass(frozen=True, slots=True)
class ForgetSessions:
    """Forget who sessions belong to: digests of their cookies, and subjects."""

    sessions: frozenset[str]
    subjects: frozenset[str]


@dataclass(frozen=True, slots=True)
class Down:
    """The endpoints that are down by their health checks: names of upstreams and URLs."""

    endpoints: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses of an upstream's endpoints; none where their names have not been looked up yet."""

    upstream: str
    endpoints: tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True)
class JudgeAt:
    """The Unix socket at which the judge takes pairs."""

    path: str


@dataclass(frozen=True, slots=True)
class JudgeBy:
    """Judge by this snapshot and each migration's `compare` sections, the general one first.

    `settings` has a digest of all settings on which each migration's evidence rests.
    """

    snapshot: Snapshot
    comparisons: Mapping[str, tuple[CompareSection, ...]]
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Favour:
    """The routes that are shadowed whatever the share, because they have too few pairs."""

    routes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Drain:
    """Accept for `delay` more seconds, then finish within `deadline` seconds, and end."""

    deadline: float
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class ReopenLog:
    """Reopen the access log's file, which may have been renamed."""


@dataclass(frozen=True, slots=True)
class ReportNow:
    """Report now; the report carries the same `ticket`."""

    ticket: int


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker serves by the snapshot of this version."""

    version: str


@dataclass(frozen=True, slots=True)
class ConfigurationFailed:
    """The worker could not follow a message, for `reason`; a worker that does not serve yet ends."""

    reason: str


@dataclass(frozen=True, slots=True)
class Refetch:
    """A token named a key that is not in this provider's set."""

    provider: str


@dataclass(frozen=True, slots=True)
class Reported:
    """The figures since the last report; `ticket` is that of `ReportNow`, 0 for a report of the worker's own accord.

    `loop_lag` is the longest time, in seconds, for which its event loop was blocked since then.
    """

    report: WorkerReport
    ticket: int = 0
    loop_lag: float = 0.0


@dataclass(frozen=True, slots=True)
class StoreReport:
    """How the store of evidence does.

    `error` is why nothing can be written now, if so, and `errors` how often
    that happened. `unwritten` pairs wait to be written, the oldest for `oldest`
    seconds; `lost` pairs never will be.
    """

    error: str | None = None
    errors: int = 0
    unwritten: int = 0
    oldest: float = 0.0
    lost: int = 0


OutcomeCounts = dict[str, dict[tuple[str, str], int]]
"""By migration, how many requests had which outcome, for which reason or by which rule ("" for none)."""


@dataclass(frozen=True, slots=True)
class JudgeReport:
    """What the judge found since it started.

    `problems` says why a migration's shadow proves nothing, `favoured` names
    the routes that have too few pairs, and `loop_lag` is the longest time, in
    seconds, for which the judge's event loop was blocked since its last report.
    """

    outcomes: OutcomeCounts = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    favoured: frozenset[str] = frozenset()
    store: StoreReport = StoreReport()
    loop_lag: float = 0.0
