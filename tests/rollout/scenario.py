"""A rollout on a clock of the test's own, with evidence that is good unless the test changes it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from strangler.rollout.advance import Advanced, advance
from strangler.rollout.audit import AuditEntry
from strangler.rollout.evidence import (
    CallerCounts,
    CallersSeen,
    Command,
    CommandKind,
    ComparedPairs,
    Equivalence,
    MetricValue,
    Published,
    RolloutEvidence,
)
from strangler.rollout.policy import DAY, RolloutPolicy
from strangler.rollout.record import Record, Wanted, wanted
from strangler.rollout.states import RolloutState

START = 1_800_000_000.0
REVISION = "r1"
SLOW_AFTER = {"GET /products": 0.25}
PATH = (
    RolloutState.WAITING,
    RolloutState.SHADOWING,
    RolloutState.PROVING,
    RolloutState.CANARY,
    RolloutState.PROMOTING,
    RolloutState.WATCHING,
    RolloutState.EXTRACTED,
)
EVERY_STATE = (*PATH, RolloutState.HOLDING, RolloutState.ROLLED_BACK)
POLICY = RolloutPolicy(steps=(0.0, 1.0, 50.0, 100.0), watch=DAY, metrics={"checkout": 0.02})


def pairs(record: Record, now: float, *, missing: int | None = 0, mismatched: int = 0, **other: Any) -> Equivalence:
    """Pairs of one operation, proven unless some are missing."""
    operation = ComparedPairs("GET /products", "high", 10_000, mismatched, missing, per_second=2.0)
    parts = {"scope": record.scope, "at": now, "target": 0.001, "operations": (operation,), "tested_at": now}
    return Equivalence(**(parts | other))


def callers(policy: RolloutPolicy, record: Record, now: float, *, ratio: float = 1.0, **other: Any) -> CallerCounts:
    """A thousand failing callers as they come if the extracted side fails `ratio` times as many as the control."""
    share = policy.steps[record.step] / 100
    parts = {
        "scope": record.scope,
        "at": now,
        "extracted": round(1000 * share * ratio),
        "control": round(1000 * (1 - share)),
        "share": share,
        "seen": CallersSeen(round(100_000 * share), round(100_000 * (1 - share))),
    }
    return CallerCounts(**(parts | other))


@dataclass
class Rollout:
    """A rollout that a test drives: `turn` is one turn of the controller, a second after the last."""

    policy: RolloutPolicy = POLICY
    record: Record = field(default_factory=lambda: Record(migration="catalog", revision=REVISION))
    now: float = START
    audit: list[AuditEntry] = field(default_factory=list)
    commands: tuple[Command, ...] = ()
    wants: Wanted | None = None
    usual: dict[str, Any] = field(default_factory=dict)

    def evidence(self, **other: Any) -> RolloutEvidence:
        """Evidence that lets every gate pass, as the store would give it for this record."""
        failing = callers(self.policy, self.record, self.now)
        parts: dict[str, Any] = {
            "revision": REVISION,
            "configuration": "c1",
            "equivalence": pairs(self.record, self.now),
            "errors": failing,
            "latency": replace(failing, slow_after=self.record.slow_after),
            "slow_after": SLOW_AFTER,
            "metrics": {name: MetricValue(self.now, 0.0) for name in self.policy.metrics},
            "published": Published(self.record.publication, 2, 2),
            "commands": self.commands,
        }
        return RolloutEvidence(**(parts | self.usual | other))

    def turn(self, after: float = 1.0, **other: Any) -> Advanced:
        """One turn, `after` seconds from the last."""
        self.now += after
        return self.advance(self.evidence(**other))

    def advance(self, evidence: RolloutEvidence) -> Advanced:
        """One turn on this evidence."""
        advanced = advance(self.policy, self.record, evidence, self.now)
        self.record, self.wants = advanced.record, advanced.wanted
        self.audit.extend(advanced.audit)
        return advanced

    def order(self, kind: CommandKind, *, force: bool = False, reason: str = "asked", **other: Any) -> None:
        """A command of a person who saw the record as it is; it stays in the store."""
        scope = other.get("scope", self.record.scope)
        self.commands = (*self.commands, Command(len(self.commands) + 1, kind, "ann", reason, scope, force))

    def reach(self, state: RolloutState, step: int | None = None) -> Rollout:
        """Good turns until the rollout is in `state` (at the step); HOLDING holds a canary, by a pause."""
        if state is RolloutState.HOLDING:
            self.reach(RolloutState.CANARY)
            self.order(CommandKind.PAUSE)
        if state is RolloutState.ROLLED_BACK:
            self.reach(RolloutState.CANARY)
            self.order(CommandKind.ROLLBACK)
        for _ in range(5000):
            if self.record.state is state and step in (None, self.record.step):
                return self
            self.turn(60.0 if self.record.state is RolloutState.WATCHING else 1.0)
        raise AssertionError(f"{self.record.state} instead of {state}")

    @property
    def share(self) -> float:
        """The share of callers that workers should have on the extracted side."""
        return wanted(self.policy, self.record).share
