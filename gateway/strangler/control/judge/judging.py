"""What becomes of the workers' pairs: judged, captured where that is ordered, and watched by the self-tests."""

from __future__ import annotations

import structlog

from strangler.config.compile.compare import compile_rules
from strangler.control.messages import JudgeBy, JudgeReport, StoreReport
from strangler.redaction.redaction import Redaction
from strangler.shadow.evidence.capture import Captures
from strangler.shadow.judging.case import Ask
from strangler.shadow.judging.judge import Judge
from strangler.shadow.judging.resend import ask
from strangler.shadow.pair import Batch
from strangler.shadow.self_test import SelfTests

log = structlog.get_logger(part="judge")


class Judging:
    """Joins the judge to its captures and self-tests; `ask_again` sends a request to an endpoint."""

    def __init__(self, ask_again: Ask = ask) -> None:
        self.judge = Judge(ask_again, on_known_pair=lambda *known: self.self_tests.came(*known))
        self.self_tests = SelfTests(self.judge)
        self.captures = Captures()

    def apply(self, message: JudgeBy) -> None:
        """Judge by another configuration from the next pair on."""
        snapshot = message.snapshot
        shadows = {name: migration.shadow for name, migration in snapshot.migrations.items()}
        redact = {name: shadow.redact for name, shadow in shadows.items() if shadow is not None}
        rules = {
            name: compile_rules(*sections, redact=redact.get(name)) for name, sections in message.comparisons.items()
        }
        self.judge.apply(snapshot, rules, message.settings)
        self.self_tests.changed()
        self.captures.redactions = {name: Redaction(shadow.redact) for name, shadow in self.judge.shadows().items()}

    def take(self, batch: Batch) -> None:
        """Judge a worker's batch; a pair that can't be judged does not keep the others from it."""
        for pair in batch.pairs:
            try:
                self.judge.judge(pair)
                if self.captures.wanted and not pair.self_test:
                    self.captures.take(pair)
            except Exception:
                # Both responses are input from outside.
                log.exception("a pair can't be judged", migration=pair.migration, operation=pair.operation)
                self.judge.failed(pair)
        self.judge.count(batch.not_compared)

    def counted(self) -> int:
        """How many requests have an outcome, `not compared` included."""
        return sum(sum(tally.outcomes.values()) for tally in self.judge.tallies.values())

    def report(self, store: StoreReport, loop_lag: float) -> JudgeReport:
        """What was found so far, for the control process."""
        tallies = self.judge.tallies
        problems = {name: problem for name, tally in tallies.items() if (problem := tally.problem())}
        problems |= {name: f"cannot measure: {failure}" for name, failure in self.self_tests.failures().items()}
        return JudgeReport(
            outcomes={name: dict(tally.outcomes) for name, tally in tallies.items()},
            problems=problems,
            favoured=self.judge.favoured(),
            store=store,
            loop_lag=loop_lag,
        )
