"""What is shown of rollouts: plain values, ready for JSON. Times are seconds since 1970, shares 0 to 1."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class GateView:
    """One gate's reading: `result` is "pass", "fail", "not enough" or "cannot measure", `text` all of it in words.

    `seconds` is how long what is missing takes at the present rate, None where that is not known.
    """

    gate: str
    result: str
    text: str
    seconds: float | None
    numbers: dict[str, float | str]


@dataclass(frozen=True, slots=True)
class StuckView:
    """Since when a rollout makes no progress, and why."""

    since: float
    reason: str


@dataclass(frozen=True, slots=True)
class RolloutView:
    """One rollout.

    `state` is where it stands, `held` the state that it holds. `step` is
    "waiting", "shadow", "5 %" or "extracted", `steps` are all of them, `next_step` is the one
    that a promotion leads to. `stage` is the stage in the configuration where
    that is not `rollout`: then a person decides. `missing` is one line: what the
    next promotion waits for; `seconds_to_go` how long that takes. `acknowledged` of `workers` serve by the
    newest share.
    """

    migration: str
    state: str
    held: str | None
    stage: str | None
    step: str
    steps: tuple[str, ...]
    next_step: str | None
    share: float
    attempt: int
    revision: str
    since: float
    reason: str
    paused: str | None
    stuck: StuckView | None
    gates: tuple[GateView, ...]
    missing: str
    seconds_to_go: float | None
    dry_run: bool
    writes: str | None
    workers: int
    acknowledged: int


@dataclass(frozen=True, slots=True)
class FreezeView:
    """Who froze all rollouts, when, and why."""

    by: str
    at: float
    reason: str


@dataclass(frozen=True, slots=True)
class RolloutsView:
    """All rollouts of the configuration. `leads` tells whether this gateway's controller decides.

    `problem` is why nothing is decided now: the store can't be written, or no controller is elected yet.
    """

    gateway: str
    leads: bool
    problem: str | None
    freeze: FreezeView | None
    rollouts: dict[str, RolloutView] = field(default_factory=dict)


AuditDocument = dict[str, Any]
"""One entry of the audit as `strangler.rollout.audit.as_dict` makes it."""
