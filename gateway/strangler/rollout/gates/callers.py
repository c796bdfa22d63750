"""Failing callers and slow callers: the extracted side beside the control, and alone once there is no control.

While a share of the callers is on the extracted side, the tests of
`failing_callers` decide. Rolling back takes E_worse over the callers of the
present rollback test, promoting takes this mean over all callers of the step:

    ½ E_harmless + ½ E_below(floor)

A bad release fails `harmful_ratio` times as many callers *and* at least the floor.
For such a release both terms are supermartingales, and so is their mean: it
reaches 1/beta with probability beta at most. Without the second term a service
at which no caller fails on either side could never be promoted.

With all callers on the extracted side (watching) the rate is compared with what
counted as bad at the last step: `harmful_ratio` times the control's rate then, or
the floor where that is more. Each day of watching is a test of its own,
or a week of good callers would hide the hour in which the service breaks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from strangler.rollout.evidence import CallerCounts, Unavailable
from strangler.rollout.gates.currency import why_not_current, why_not_of
from strangler.rollout.policy import RolloutPolicy
from strangler.rollout.record import Record
from strangler.rollout.results import CannotMeasure, Failed, NotEnough, Passed, Reading
from strangler.rollout.statistics.failing_callers import SideCounts, log_e_harmless, log_e_worse, log_mean
from strangler.rollout.statistics.feasibility import failing_callers_to_go
from strangler.rollout.statistics.known_rate import log_e_above, log_e_below, trials_to_show_below
from strangler.rollout.statistics.spending import log_needed_to_promote, log_needed_to_roll_back

ERRORS = "errors"
LATENCY = "latency"


@dataclass(frozen=True, slots=True)
class Words:
    """What a gate calls its callers."""

    fail: str
    do_not_fail: str
    failing: str


WORDS = {ERRORS: Words("fail", "do not fail", "failing"), LATENCY: Words("are slow", "are not slow", "slow")}


def caller_reading(
    gate: str, policy: RolloutPolicy, record: Record, counts: CallerCounts | Unavailable, now: float
) -> Reading:
    """What the failing (or slow) callers of the present step show."""
    if isinstance(counts, Unavailable):
        return Reading(gate, CannotMeasure(counts.why))
    share = policy.steps[record.step] / 100
    broken = (
        why_not_of(counts.scope, record.scope)
        or why_not_current(counts.at, now)
        or _why_not_counted(gate, record, counts, share)
    )
    if broken is not None:
        return Reading(gate, CannotMeasure(broken))
    return _beside_control(gate, policy, record, counts) if share < 1 else _alone(gate, policy, record, counts)


def control_rate(counts: CallerCounts | Unavailable) -> float | None:
    """The rate at which the control's callers failed, rounded up to one caller; None where it is not known."""
    if isinstance(counts, Unavailable) or counts.seen is None or counts.seen.control <= 0:
        return None
    return max(1, counts.control) / max(counts.seen.control, counts.control)


def _why_not_counted(gate: str, record: Record, counts: CallerCounts, share: float) -> str | None:
    started = record.rollback_test(gate)
    if abs(counts.share - share) > 1e-9:
        return f"the callers were counted at a share of {counts.share:.2%}, not {share:.2%}"
    if counts.extracted < started.extracted or counts.control < started.control:
        return "fewer callers are counted than before: counts were lost"
    if gate == LATENCY and not record.slow_after:
        return "no threshold is frozen: no window of the control held enough requests"
    if gate == LATENCY and counts.slow_after != record.slow_after:
        return "slow callers were counted against other thresholds than the frozen ones"
    return None


def _beside_control(gate: str, policy: RolloutPolicy, record: Record, counts: CallerCounts) -> Reading:
    started, words = record.rollback_test(gate), WORDS[gate]
    all_counts = SideCounts(counts.extracted, counts.control, counts.share)
    recent = SideCounts(counts.extracted - started.extracted, counts.control - started.control, counts.share)
    worse = log_e_worse((recent,))
    harmless = log_e_harmless((all_counts,), policy.harmful_ratio)
    if policy.floor is not None:
        harmless = log_mean((harmless, _log_below_floor(policy.floor, counts)))
    numbers = {
        "extracted": counts.extracted,
        "control": counts.control,
        "share": counts.share,
        "test": started.number,
        "log_e_worse": worse,
        "log_e_harmless": harmless,
    }
    sides = f"{counts.extracted} {words.failing} callers on the extracted side, {counts.control} on the legacy side"
    if worse >= log_needed_to_roll_back(policy.alpha, policy.tested_gates, started.number):
        return Reading(gate, Failed(f"more callers {words.fail} than on the legacy side: {sides}"), numbers)
    if harmless >= log_needed_to_promote(policy.beta):
        return Reading(
            gate, Passed(f"not {policy.harmful_ratio:g} times as many callers {words.fail}: {sides}"), numbers
        )
    return Reading(gate, _callers_to_go(policy, counts, words), numbers)


def _log_below_floor(floor: float, counts: CallerCounts) -> float:
    if counts.seen is None:
        return -math.inf
    return log_e_below(counts.extracted, max(counts.seen.extracted, counts.extracted), floor)


def _callers_to_go(policy: RolloutPolicy, counts: CallerCounts, words: Words) -> NotEnough:
    """What is missing on the shorter of the two ways: more failing callers, or more callers who do not fail."""
    needed = log_needed_to_promote(policy.beta) + (0.0 if policy.floor is None else math.log(2))
    side_counts = SideCounts(counts.extracted, counts.control, counts.share)
    failing = math.ceil(failing_callers_to_go(side_counts, policy.harmful_ratio, needed))
    ways = [
        (_seconds(failing, counts.failing_per_second), f"about {failing} more {words.failing} callers on either side")
    ]
    if policy.floor is not None and counts.seen is not None:
        seen = max(counts.seen.extracted, counts.extracted)
        quiet = max(1, trials_to_show_below(counts.extracted, policy.floor, needed) - seen)
        text = f"{quiet} more callers on the extracted side who {words.do_not_fail}"
        ways.append((_seconds(quiet, counts.seen_per_second), text))
    seconds, missing = min(ways)
    return NotEnough(missing, None if math.isinf(seconds) else seconds)


def _alone(gate: str, policy: RolloutPolicy, record: Record, counts: CallerCounts) -> Reading:
    words, rate = WORDS[gate], _bad_rate(gate, policy, record)
    if rate is None:
        return Reading(gate, CannotMeasure("the control's rate at the last step is not known, and there is no floor"))
    if counts.seen is None:
        return Reading(gate, CannotMeasure("the number of callers is not known"))
    failed, seen = counts.extracted, max(counts.seen.extracted, counts.extracted)
    above, below = log_e_above(failed, seen, rate), log_e_below(failed, seen, rate)
    test = record.rollback_test(gate).number + record.scope.period
    numbers = {
        "extracted": failed,
        "seen": seen,
        "rate": rate,
        "test": test,
        "log_e_above": above,
        "log_e_below": below,
    }
    of_all = f"{failed} of {seen} callers {words.fail}"
    if above >= log_needed_to_roll_back(policy.alpha, policy.tested_gates, test):
        return Reading(gate, Failed(f"{of_all}, more than {rate:.3g} of them"), numbers)
    needed = log_needed_to_promote(policy.beta)
    if below >= needed:
        return Reading(gate, Passed(f"{of_all}, fewer than {rate:.3g} of them"), numbers)
    missing = max(1, trials_to_show_below(failed, rate, needed) - seen)
    seconds = _seconds(missing, counts.seen_per_second)
    return Reading(gate, NotEnough(f"{missing} more callers", None if math.isinf(seconds) else seconds), numbers)


def _bad_rate(gate: str, policy: RolloutPolicy, record: Record) -> float | None:
    """The rate from which on a release without a control counts as bad; None if it is not known."""
    base = record.base_rates.get(gate)
    rates = [] if base is None else [policy.harmful_ratio * base]
    rates += [] if policy.floor is None else [policy.floor]
    return max(rates) if rates and max(rates) < 1 else None


def _seconds(missing: float, per_second: float) -> float:
    return missing / per_second if per_second > 0 else math.inf
