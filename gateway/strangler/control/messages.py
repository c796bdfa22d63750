"""What the control process and a worker say to each other.

Each message is a pickle behind its length in four bytes, over a socket pair
that the worker inherits and nobody else can reach. A worker that loses its
control process serves on with what it has, until another one comes (handover.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from strangler.model.snapshot import Snapshot
from strangler.model.upstream import Endpoint
from strangler.observe.counters import Report

if TYPE_CHECKING:
    from strangler.config.schema.compare import CompareSection
    from strangler.proxy.derived import Derived


@dataclass(frozen=True, slots=True)
class Apply:
    """Serve by this snapshot from now on."""

    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class Prepared(Apply):
    """The same, with what follows from the snapshot; a worker makes it of a large one."""

    derived: Derived


@dataclass(frozen=True, slots=True)
class Keys:
    """A provider's newest key set as a JWKS document, None while there is none.

    Asking for a newer one makes sense after `refetch_after` seconds.
    """

    provider: str
    document: bytes | None
    refetch_after: float


@dataclass(frozen=True, slots=True)
class Down:
    """The endpoints that health checks found down: names of upstreams and URLs."""

    endpoints: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Addresses:
    """What the names of an upstream's endpoints mean now; none where that is not known yet."""

    upstream: str
    endpoints: tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True)
class JudgeAt:
    """The Unix socket at which the judge takes pairs."""

    path: str


@dataclass(frozen=True, slots=True)
class JudgeBy:
    """Judge by this snapshot and, for each migration, these sections about comparing, the general one first.

    `settings` has digests of all that decides about each migration's evidence.
    """

    snapshot: Snapshot
    comparisons: Mapping[str, tuple[CompareSection, ...]]
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Favour:
    """The names of the routes that are shadowed whatever the share, because they have too few pairs."""

    routes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Drain:
    """Accept for `delay` more seconds, then finish within `deadline` seconds, and end."""

    deadline: float
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class ReopenLog:
    """Open the access log's file again, because it may have been renamed."""


@dataclass(frozen=True, slots=True)
class ReportNow:
    """Hand over the figures; the answer carries the same `ticket`."""

    ticket: int


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker serves by the snapshot of this version."""

    version: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The worker could not do what it was told; one that serves by no snapshot yet ends."""

    reason: str


@dataclass(frozen=True, slots=True)
class Refetch:
    """A token named a key that is not in this provider's set."""

    provider: str


@dataclass(frozen=True, slots=True)
class Reported:
    """The figures since the last report; `ticket` 0 where nobody asked.

    `loop_lag` is for how many seconds the event loop has stood since then, at the longest.
    """

    report: Report
    ticket: int = 0
    loop_lag: float = 0.0


@dataclass(frozen=True, slots=True)
class Writing:
    """How the store of evidence does.

    `error` is why nothing can be written now, if so, `errors` how often that
    came; `unwritten` pairs wait to be written, the oldest for `oldest` seconds;
    `lost` pairs never will be.
    """

    error: str | None = None
    errors: int = 0
    unwritten: int = 0
    oldest: float = 0.0
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Judged:
    """What the judge found since it began: by migration, how often each outcome came with which reason or rule.

    `problems` says why a migration's shadow proves nothing, `store_error` why
    nothing can be written, `favoured` which routes have too few pairs, `writing`
    how the store does, `loop_lag` for how many seconds the judge's event loop
    has stood since the last report at the longest.
    """

    outcomes: dict[str, dict[tuple[str, str], int]]
    problems: dict[str, str]
    store_error: str | None
    favoured: frozenset[str]
    writing: Writing = Writing()
    loop_lag: float = 0.0
