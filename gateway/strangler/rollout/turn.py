"""What an event does to a record, within one turn of the controller."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from strangler.rollout.audit import CONTROLLER, AuditEntry
from strangler.rollout.evidence import Command, RolloutEvidence, Unavailable
from strangler.rollout.gates.callers import ERRORS, LATENCY, control_rate
from strangler.rollout.gates.readings import read_gates
from strangler.rollout.moves import Move, Sight, next_step
from strangler.rollout.policy import DAY, EXTRACTED, RolloutPolicy
from strangler.rollout.record import Held, Record, RollbackTest, Stuck, wanted
from strangler.rollout.results import Passed, Reading
from strangler.rollout.states import Event, RolloutState, next_state
from strangler.rollout.statistics.spending import RENEWED_AT

LONGEST_TURN = 60.0
"""Seconds between two turns up to which the clock counts as steady; turns are a second apart or so."""


class Turn:
    """A turn under way: the record as it stands now, and the audit entries so far."""

    def __init__(self, policy: RolloutPolicy, record: Record, evidence: RolloutEvidence, now: float) -> None:
        elapsed = 0.0 if record.turned is None else now - record.turned
        self.policy = policy
        self.evidence = evidence
        self.now = now
        self.steady = record.turned is not None and 0 <= elapsed <= LONGEST_TURN
        self.audit: list[AuditEntry] = []
        served = record.served + min(max(elapsed, 0.0), LONGEST_TURN)
        self.record = replace(record, turned=now, served=served, period=_period(policy, record, served))
        self._before = wanted(policy, record)
        self._read: tuple[Record, tuple[Reading, ...]] | None = None

    def __repr__(self) -> str:
        return f"<Turn of {self.record.migration} at {self.now}: {self.record.state}, {len(self.audit)} entries>"

    def readings(self) -> tuple[Reading, ...]:
        """What the gates show of the record as it stands."""
        if self._read is None or self._read[0] is not self.record:
            self._read = self.record, read_gates(self.policy, self.record, self.evidence, self.now)
        return self._read[1]

    def sight(self) -> Sight:
        """What the next decision is made from."""
        return Sight(self.policy, self.record, self.evidence, self.readings(), self.now, self.steady)

    def new_commands(self) -> Iterator[Command]:
        """The commands that no turn has carried out, in their order; each counts as carried out from here on."""
        for command in sorted(self.evidence.commands, key=lambda each: each.number):
            if command.number > self.record.command:
                self.record = replace(self.record, command=command.number)
                yield command

    def apply(self, move: Move) -> bool:
        """Carry out the move, and return whether the record moved: a dry run only records a promotion.

        Raises NoTransition where the event can't happen.
        """
        before = self.record
        state = next_state(
            before.state,
            move.event,
            held=None if before.held is None else before.held.state,
            is_last_step=before.step == len(self.policy.steps) - 1,
        )
        if self.policy.dry_run and move.event is Event.PASSED:
            remark = f"{before.scope}"
            if before.remark != remark:
                self._enter(move, before, replace(before, state=state, step=next_step(self.policy, before)), True)
                self.record = replace(before, remark=remark)
            return False
        readings = self.readings()
        after = replace(before, state=state, entered=self.now, served=0.0, held=None, stuck=None, reason=move.reason)
        self.record = self._with_effects(move, before, after)
        self._enter(move, before, self.record, readings=readings)
        return True

    def note(self, what: str, who: str, reason: str) -> None:
        """An audit entry that is no transition."""
        self._enter(Move(Event.HELD, reason, who), self.record, self.record, what=what)

    def keep_holding(self, reason: str) -> None:
        """The rollout holds on, perhaps for another reason."""
        held = self.record.held
        if held is not None and held.reason != reason:
            self.record = replace(self.record, held=held._replace(reason=reason), reason=reason)

    def prepare_next(self) -> None:
        """Freeze thresholds that could not be frozen before, renew rollback tests, and see whether it is stuck."""
        self._freeze_thresholds()
        self._renew_tests()
        limit = self._deadline()
        if limit is not None and self.record.served > limit and self.record.stuck is None:
            waits = [str(reading) for reading in self.readings() if not isinstance(reading.result, Passed)]
            reason = self.record.reason if self.record.state is RolloutState.HOLDING else "; ".join(waits)
            reason = reason or f"{self.record.state} has lasted too long"
            self.record = replace(self.record, stuck=Stuck(self.now, reason))
            self.note("stuck", CONTROLLER, reason)

    def finished(self) -> Record:
        """The record to save: with another publication where workers have to get something else."""
        after = wanted(self.policy, self.record)
        if after != self._before:
            return replace(self.record, publication=self.record.publication + 1)
        return self.record

    def _with_effects(self, move: Move, before: Record, after: Record) -> Record:
        """The record after the event, with what the event does besides changing the state."""
        match move.event:
            case Event.REVISED if after.state in (RolloutState.EXTRACTED, RolloutState.ROLLED_BACK):
                return replace(after, revision=self.evidence.revision, served=before.served, entered=before.entered)
            case Event.REVISED | Event.TAKEN_OVER | Event.RESUMED if after.state is RolloutState.WAITING:
                return self._restarted(move, after)
            case Event.FAILED:
                return replace(after, step=0, period=0, approved=None, pause=None)
            case Event.HELD:
                return replace(after, held=Held(before.state, before.entered, before.served, move.reason))
            case Event.RELEASED if before.held is not None:
                return replace(after, entered=before.held.entered, served=before.held.served)
            case Event.PASSED if after.state is RolloutState.PROMOTING:
                return self._promoted(before, after)
        return after

    def _restarted(self, move: Move, after: Record) -> Record:
        revised = move.event is Event.REVISED
        return Record(
            migration=after.migration,
            revision=self.evidence.revision,
            attempt=1 if revised else after.attempt + 1,
            entered=after.entered,
            turned=after.turned,
            publication=after.publication,
            pause=after.pause,
            reason=after.reason,
            command=after.command,
        )

    def _promoted(self, before: Record, after: Record) -> Record:
        """The next step: its tests begin, and thresholds and rates are those of the control until now."""
        step = next_step(self.policy, before)
        base_rates = dict(before.base_rates)
        if self.policy.steps[step] == EXTRACTED:
            rates = {ERRORS: control_rate(self.evidence.errors), LATENCY: control_rate(self.evidence.latency)}
            base_rates |= {gate: rate for gate, rate in rates.items() if rate is not None}
        tests = {gate: RollbackTest(test.number + 1) for gate, test in before.tests.items()}
        measured = None if isinstance(self.evidence.slow_after, Unavailable) else self.evidence.slow_after
        return replace(
            after,
            step=step,
            approved=None,
            base_rates=base_rates,
            tests=tests or {ERRORS: RollbackTest(), LATENCY: RollbackTest()},
            slow_after=dict(measured) if measured else before.slow_after,
        )

    def _freeze_thresholds(self) -> None:
        measured = self.evidence.slow_after
        moved = self.record.effective in (RolloutState.CANARY, RolloutState.PROMOTING)
        if moved and not self.record.slow_after and not isinstance(measured, Unavailable) and measured:
            self.record = replace(self.record, slow_after=dict(measured))

    def _renew_tests(self) -> None:
        if self.record.effective is not RolloutState.CANARY:
            return
        tests = dict(self.record.tests)
        for reading in self.readings():
            if reading.numbers.get("log_e_worse", 0.0) <= RENEWED_AT:
                counts = int(reading.numbers["extracted"]), int(reading.numbers["control"])
                tests[reading.gate] = RollbackTest(self.record.rollback_test(reading.gate).number + 1, *counts)
        if tests != self.record.tests:
            self.record = replace(self.record, tests=tests)

    def _deadline(self) -> float | None:
        deadlines = self.policy.deadlines
        return {
            RolloutState.SHADOWING: deadlines.shadowing,
            RolloutState.PROVING: deadlines.proving,
            RolloutState.CANARY: deadlines.canary,
            RolloutState.PROMOTING: deadlines.promoting,
            RolloutState.WATCHING: deadlines.watching,
            RolloutState.HOLDING: deadlines.holding,
        }.get(self.record.state)

    def _enter(
        self,
        move: Move,
        before: Record,
        after: Record,
        dry_run: bool = False,
        what: str = "",
        readings: tuple[Reading, ...] | None = None,
    ) -> None:
        self.audit.append(
            AuditEntry(
                at=self.now,
                migration=before.migration,
                what=what or str(move.event),
                who=move.who,
                reason=move.reason,
                from_state=before.state,
                to_state=after.state,
                from_share=wanted(self.policy, before).share,
                to_share=wanted(self.policy, after).share,
                revision=after.revision,
                configuration=self.evidence.configuration,
                readings=self.readings() if readings is None else readings,
                forced=move.forced,
                dry_run=dry_run,
            )
        )


def _period(policy: RolloutPolicy, record: Record, served: float) -> int:
    """The day of watching; the last one goes on until the gates pass, however few callers come."""
    if record.effective is not RolloutState.WATCHING:
        return 0
    watched = served if record.held is None else record.held.served
    return min(int(watched // DAY), max(0, int(policy.watch // DAY) - 1))
