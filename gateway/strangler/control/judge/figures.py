"""What all judges have reported since the control process started: a counter never falls when a judge is replaced."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import structlog

from strangler.control.messages import JudgeReport, OutcomeCounts, StoreReport
from strangler.control.system.process_figures import Peak
from strangler.model.snapshot import Snapshot

log = structlog.get_logger(part="judge")

_FAILED = "failed to answer"
_NOT_COMPARED = "not compared"
_COMPARED = ("match", "ignored", "mismatch", "unsteady", "lag")


class JudgeFigures:
    """`report` is the running judge's newest, `restarts` how many judges have ended, `lag` their event loops'."""

    def __init__(self) -> None:
        self.report = JudgeReport()
        self.restarts = 0
        self.lag = Peak()
        self.shadowed: tuple[str, ...] = ()
        self._before: OutcomeCounts = {}
        self._store_errors = 0
        self._lost = 0

    def apply(self, snapshot: Snapshot) -> None:
        """Show the migrations that `snapshot` shadows."""
        self.shadowed = tuple(name for name, migration in snapshot.migrations.items() if migration.shadow is not None)

    def add(self, report: JudgeReport) -> None:
        """Take the place of the report before."""
        for name, problem in report.problems.items():
            if name not in self.report.problems:
                log.warning("the shadow of a migration compares nothing", migration=name, problem=problem)
        self.report = report
        self.lag.add(report.loop_lag)

    def judge_ended(self) -> None:
        """The judge has ended without being asked to, and another one counts from zero."""
        self.restarts += 1
        self.lose("the judge ended")
        self._before = self.outcomes()
        store = StoreReport(self.report.store.error)
        self.report = replace(self.report, outcomes={}, store=store, loop_lag=0.0)

    def lose(self, why: str) -> None:
        """What the judge has not written is lost with it."""
        store = self.report.store
        self._store_errors += store.errors
        self._lost += store.lost + store.unwritten
        if store.unwritten:
            log.error("evidence is lost", pairs=store.unwritten, why=why, error=store.error)

    def outcomes(self) -> OutcomeCounts:
        """By migration, how many requests had which outcome for which reason or rule."""
        # A series that begins with its first event has no rate at that moment.
        zeros = {name: {(outcome, ""): 0 for outcome in (*_COMPARED, _FAILED)} for name in self.shadowed}
        return _sum(_sum(zeros, self._before), self.report.outcomes)

    def store(self) -> StoreReport:
        """How the store of evidence does, with the errors and losses of all judges."""
        store = self.report.store
        return replace(store, errors=self._store_errors + store.errors, lost=self._lost + store.lost)

    def store_as_json(self) -> dict[str, Any]:
        """The same for /status."""
        store = self.store()
        return {
            "error": store.error,
            "errors": store.errors,
            "unwritten_pairs": store.unwritten,
            "oldest_unwritten_seconds": round(store.oldest, 1),
            "lost_pairs": store.lost,
        }

    def migrations_as_json(self) -> dict[str, Any]:
        """The outcomes of each shadowed migration, and why they prove nothing, if so."""
        outcomes = self.outcomes()
        shown: dict[str, Any] = {}
        for name in self.shadowed:
            counts = outcomes[name]
            problem = self.report.problems.get(name)
            if problem is None and not any(counts.values()):
                problem = "no request has come yet"
            shown[name] = {
                **{word: sum(n for (outcome, _), n in counts.items() if outcome == word) for word in _COMPARED},
                "failed": {reason: n for (outcome, reason), n in counts.items() if outcome == _FAILED and reason},
                "not_compared": {reason: n for (outcome, reason), n in counts.items() if outcome == _NOT_COMPARED},
                "problem": problem,
                "store_error": self.report.store.error,
            }
        return shown


def _sum(first: OutcomeCounts, second: OutcomeCounts) -> OutcomeCounts:
    total = {name: dict(counts) for name, counts in first.items()}
    for name, counts in second.items():
        known = total.setdefault(name, {})
        for key, count in counts.items():
            known[key] = known.get(key, 0) + count
    return total
