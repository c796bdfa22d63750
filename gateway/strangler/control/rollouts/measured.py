"""What one turn decides from: all that the store holds, read in one transaction, and as evidence of one rollout.

What can't be read is `Unavailable` with the reason, never an empty count.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from time import perf_counter

from sqlalchemy.engine import Connection

from strangler.control.rollouts.caller_store import StoredCallers, read_callers, read_thresholds
from strangler.control.rollouts.plans import RolloutPlan
from strangler.control.rollouts.record_store import (
    StoredRecord,
    WorkersOf,
    published,
    read_commands,
    read_freeze,
    read_records,
    read_workers,
)
from strangler.control.rollouts.scopes import scope_text
from strangler.control.rollouts.views import FreezeView
from strangler.rollout.evidence import (
    CallerCounts,
    CallersSeen,
    Command,
    ComparedPairs,
    Dependency,
    Equivalence,
    MetricValue,
    RolloutEvidence,
    Unavailable,
)
from strangler.rollout.gates.callers import ERRORS, LATENCY
from strangler.rollout.policy import EquivalenceRule
from strangler.rollout.record import Record
from strangler.rollout.turn import Turn
from strangler.shadow.evidence.present_pairs import OperationPairs, PresentPairs, present_pairs
from strangler.shadow.evidence.sequence import sequential_missing

SHORTEST_PAUSE = 2.0
"""Seconds between two readings of the traffic, which the judge writes as often."""
LONGEST_PAUSE = 20.0
READING_SHARE = 0.05
"""The share of the time that reading the traffic may take."""
NOTHING_COMPARED = Unavailable("no pair was compared yet")


@dataclass(frozen=True, slots=True)
class StoredTraffic:
    """What takes longer to read, and is read less often: pairs and thresholds as of the time `at`.

    It took `seconds` to read.
    """

    at: float
    seconds: float
    pairs: Mapping[str, PresentPairs | None]
    thresholds: Mapping[str, Mapping[str, float]]

    def is_due(self, plans: Collection[str], now: float) -> bool:
        """Whether it has to be read again: after a while that is long beside the time that reading takes."""
        pause = min(max(SHORTEST_PAUSE, self.seconds / READING_SHARE), LONGEST_PAUSE)
        return not 0 <= now - self.at < pause or self.pairs.keys() != set(plans)


@dataclass(frozen=True, slots=True)
class Stored:
    """What the store held at the time `at`; all by migration."""

    at: float
    records: Mapping[str, StoredRecord]
    freeze: FreezeView | None
    commands: Mapping[str, list[Command]]
    workers: Mapping[str, Mapping[str, WorkersOf]]
    callers: Mapping[str, StoredCallers]
    traffic: StoredTraffic


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a rollout's evidence holds besides what is stored about it."""

    configuration: str
    metrics: Mapping[str, MetricValue | Unavailable]
    dependencies: tuple[Dependency, ...]


def read_stored(
    connection: Connection, plans: Mapping[str, RolloutPlan], now: float, before: StoredTraffic | None = None
) -> Stored:
    """Read all of it, but of the traffic what was read `before` where that is not due. Raises RecordError."""
    records = read_records(connection)
    scopes = {
        name: scope_text(present_record(plan, records[name].record, now).scope)
        for name, plan in plans.items()
        if name in records
    }
    return Stored(
        at=now,
        records=records,
        freeze=read_freeze(connection),
        commands=read_commands(connection),
        workers=read_workers(connection, now),
        callers={name: read_callers(connection, name, scope) for name, scope in scopes.items()},
        traffic=_read_traffic(connection, plans, now) if before is None or before.is_due(plans, now) else before,
    )


def _read_traffic(connection: Connection, plans: Mapping[str, RolloutPlan], now: float) -> StoredTraffic:
    began = perf_counter()
    pairs = {name: present_pairs(connection, name, now) for name in plans}
    thresholds = {name: read_thresholds(connection, name, now) for name in plans}
    return StoredTraffic(now, perf_counter() - began, pairs, thresholds)


def present_record(plan: RolloutPlan, record: Record, now: float) -> Record:
    """The record as the next turn finds it: the day of watching may be another one."""
    return Turn(plan.policy, record, RolloutEvidence(revision=record.revision), now).record


def revision_of(plan: RolloutPlan, pairs: PresentPairs | None) -> str:
    """The revision: a digest of the configuration, and one of the versions that both sides report."""
    versions = "" if pairs is None else f"{pairs.legacy}\n{pairs.extracted}".strip("\n")
    return f"{plan.digest}.{blake2b(versions.encode(), digest_size=4).hexdigest() if versions else '0'}"


def is_of_configuration(plan: RolloutPlan, record: Record) -> bool:
    """Whether the record is about the present configuration of its migration."""
    return record.revision.partition(".")[0] == plan.digest


def evidence_of(plan: RolloutPlan, record: Record, stored: Stored, around: Surroundings) -> RolloutEvidence:
    """The evidence about one rollout, whose record is `record`."""
    name = plan.migration
    present = present_record(plan, record, stored.at)
    thresholds = stored.traffic.thresholds.get(name)
    return RolloutEvidence(
        revision=revision_of(plan, stored.traffic.pairs.get(name)),
        configuration=around.configuration,
        stage=plan.stage,
        freeze=None if stored.freeze is None else f"{stored.freeze.reason} ({stored.freeze.by})",
        equivalence=_equivalence(plan, present, stored),
        errors=_counts(ERRORS, plan, present, stored),
        latency=_counts(LATENCY, plan, present, stored),
        slow_after=dict(thresholds) if thresholds else Unavailable("no window of the control held enough requests"),
        metrics=around.metrics,
        dependencies=around.dependencies,
        published=published(record.publication, dict(stored.workers.get(name, {}))),
        # One a turn, so that the outcome of each can be told.
        commands=tuple(stored.commands.get(name, ())[:1]),
    )


def _equivalence(plan: RolloutPlan, present: Record, stored: Stored) -> Equivalence | Unavailable:
    rule, pairs = plan.policy.equivalence, stored.traffic.pairs.get(plan.migration)
    if rule is None:
        return Unavailable("the policy has no gate on equivalence")
    if pairs is None:
        return NOTHING_COMPARED
    known = stored.records.get(plan.migration)
    if pairs.settings != plan.settings:
        return Unavailable("the pairs are of an earlier configuration")
    if known is not None and pairs.resets < known.resets:
        return Unavailable("the pairs are of an earlier attempt")
    if pairs.changing:
        return Unavailable("the version header has another value with each response")
    if pairs.compared_share < plan.least_compared:
        return Unavailable(
            f"only {pairs.compared_share:.0%} of the sampled requests were compared, of which"
            f" {plan.least_compared:.0%} are needed"
        )
    operations = tuple(_compared(each, rule) for each in pairs.operations)
    scope = present.scope._replace(revision=revision_of(plan, pairs))
    return Equivalence(scope, stored.traffic.at, rule.target, operations, pairs.tested_at, pairs.failure)


def _compared(pairs: OperationPairs, rule: EquivalenceRule) -> ComparedPairs:
    """The pairs of an operation, of which those mismatch whose worst difference is of a class that counts."""
    mismatched = sum(count for risk, count in pairs.wrong.items() if risk in rule.classes)
    missing = sequential_missing(pairs.compared, mismatched, rule.target)
    return ComparedPairs(pairs.operation, min(rule.classes), pairs.compared, mismatched, missing, pairs.per_second)


def _counts(gate: str, plan: RolloutPlan, present: Record, stored: Stored) -> CallerCounts | Unavailable:
    callers = stored.callers.get(plan.migration)
    if callers is None:
        return Unavailable("no caller is counted yet")
    extracted, control = callers.noted.get((gate, "extracted"), 0), callers.noted.get((gate, "legacy"), 0)
    seen = CallersSeen(callers.seen.get("extracted", 0), callers.seen.get("legacy", 0))
    seconds = max(1.0, stored.at - present.effective_since)
    return CallerCounts(
        scope=present.scope,
        at=stored.at,
        extracted=extracted,
        control=control,
        share=plan.policy.steps[min(present.step, len(plan.policy.steps) - 1)] / 100,
        seen=seen,
        slow_after=dict(present.slow_after) if gate == LATENCY else {},
        failing_per_second=(extracted + control) / seconds,
        seen_per_second=seen.extracted / seconds,
    )
