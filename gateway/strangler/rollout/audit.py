"""The audit of a rollout: one entry for each transition, each order of a person, and each time it gets stuck."""

from __future__ import annotations

from dataclasses import dataclass

from strangler.rollout.results import Reading
from strangler.rollout.states import State

CONTROLLER = "controller"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """What happened, when, by whom and why; where the rollout stood before and after; what the gates showed.

    `what` is an event of the state machine or a word for what is none: "approved",
    "refused", "stuck". Shares are 0 to 1. `forced` marks a promotion past gates
    that did not pass, `dry_run` a decision that was not carried out.
    """

    at: float
    migration: str
    what: str
    who: str
    reason: str
    from_state: State
    to_state: State
    from_share: float
    to_share: float
    revision: str
    configuration: str
    readings: tuple[Reading, ...]
    forced: bool = False
    dry_run: bool = False
