"""Each gate: when it passes, fails, has not enough, or can't be measured, and its words for people."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from strangler.rollout.evidence import CallersSeen, ComparedPairs, MetricValue, Scope, Unavailable
from strangler.rollout.gates.callers import caller_reading, control_rate
from strangler.rollout.gates.equivalence import equivalence_reading
from strangler.rollout.gates.metric import metric_reading
from strangler.rollout.gates.readings import read_gates
from strangler.rollout.policy import DAY, RolloutPolicy
from strangler.rollout.record import Record, RollbackTest
from strangler.rollout.results import CannotMeasure, Failed, NotEnough, Passed, Reading, duration
from strangler.rollout.states import RolloutState
from tests.rollout.scenario import REVISION, SLOW_AFTER, START, Rollout, callers, pairs

POLICY = RolloutPolicy(floor=None)
CANARY = Record(migration="catalog", revision=REVISION, state=RolloutState.CANARY, step=1)
WATCHING = replace(CANARY, state=RolloutState.WATCHING, step=5, base_rates={"errors": 0.01})


def errors(policy: RolloutPolicy = POLICY, record: Record = CANARY, **other: Any) -> Reading:
    return caller_reading("errors", policy, record, callers(policy, record, START, **other), START)


def equivalence(**other: Any) -> Reading:
    return equivalence_reading(POLICY, pairs(CANARY, START, **other), CANARY.scope, START)


def test_errors_pass_once_the_extracted_side_is_shown_not_to_be_harmful() -> None:
    assert isinstance(errors(extracted=1, control=217).result, Passed)
    reading = errors(extracted=1, control=210)
    assert isinstance(reading.result, NotEnough)
    assert reading.result.missing == "about 11 more failing callers on either side"
    assert reading.result.seconds is None


def test_errors_say_how_long_the_missing_callers_take_at_the_present_rate() -> None:
    result = errors(extracted=1, control=210, failing_per_second=0.1).result
    assert isinstance(result, NotEnough)
    assert result.seconds == pytest.approx(110)


@pytest.mark.parametrize("on_extracted", [4, 5])
def test_errors_fail_after_few_callers_if_none_fails_on_the_legacy_side(on_extracted: int) -> None:
    # Equivalence, errors and latency share alpha, and the first test has half of it: E has to reach 600.
    reading = errors(extracted=on_extracted, control=0)
    assert isinstance(reading.result, Failed)
    assert reading.numbers["log_e_worse"] > 6.4
    assert isinstance(errors(extracted=3, control=0).result, NotEnough)


def test_later_rollback_tests_count_from_where_they_began() -> None:
    record = replace(CANARY, tests={"errors": RollbackTest(2, 10, 990)})
    assert isinstance(errors(record=record, extracted=14, control=990).result, Passed)
    assert isinstance(errors(record=record, extracted=15, control=990).result, Failed)


def test_service_at_which_nobody_fails_passes_by_the_floor() -> None:
    floor = replace(POLICY, floor=0.001)
    quiet = {"extracted": 0, "control": 0, "seen": CallersSeen(8_500, 841_500)}
    assert isinstance(errors(floor, **quiet).result, Passed)
    assert isinstance(errors(POLICY, **quiet).result, NotEnough)
    result = errors(floor, **(quiet | {"seen": CallersSeen(8_000, 792_000)}), seen_per_second=1.0).result
    assert result == NotEnough("441 more callers on the extracted side who do not fail", 441.0)


def test_floor_needs_to_know_how_many_callers_came() -> None:
    result = errors(replace(POLICY, floor=0.001), extracted=0, control=0, seen=None).result
    assert isinstance(result, NotEnough)
    assert result.missing.endswith("failing callers on either side")


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"scope": Scope("r0", 1, 1)}, "the evidence is of revision r0, not r1"),
        ({"scope": Scope(REVISION, 2, 1)}, "the evidence is of attempt 2, not 1"),
        ({"scope": Scope(REVISION, 1, 2)}, "the evidence is of step 2, not 1"),
        ({"scope": Scope(REVISION, 1, 1, 3)}, "the evidence is of day 3 of watching, not 0"),
        ({"at": START - 61}, "the evidence is 61 s old"),
        ({"at": START + 6}, "the evidence is 6 s ahead of the clock"),
        ({"share": 0.05}, "the callers were counted at a share of 5.00%, not 1.00%"),
    ],
)
def test_errors_of_something_else_or_of_another_time_do_not_count(other: dict[str, Any], why: str) -> None:
    assert errors(**other).result == CannotMeasure(why)


def test_counts_that_fall_were_lost() -> None:
    record = replace(CANARY, tests={"errors": RollbackTest(2, 10, 990)})
    result = errors(record=record, extracted=9, control=2000).result
    assert result == CannotMeasure("fewer callers are counted than before: counts were lost")


def test_latency_counts_against_the_frozen_thresholds_alone() -> None:
    record = replace(CANARY, slow_after=SLOW_AFTER)
    counts = callers(POLICY, record, START, slow_after=SLOW_AFTER)
    assert isinstance(caller_reading("latency", POLICY, record, counts, START).result, Passed)
    other = replace(counts, slow_after={"GET /products": 9.0})
    for now, reason in ((record, "other thresholds"), (CANARY, "no threshold is frozen")):
        result = caller_reading("latency", POLICY, now, other, START).result
        assert isinstance(result, CannotMeasure)
        assert reason in result.why


@pytest.mark.parametrize(
    ("failed", "seen", "result"),
    [(0, 200, Passed), (1, 120, NotEnough), (30, 200, Failed), (50, 1000, NotEnough), (10, 1000, Passed)],
)
def test_errors_while_watching_are_compared_with_the_last_control(failed: int, seen: int, result: type) -> None:
    # Five times the 1 % of the last control is bad.
    reading = errors(record=WATCHING, extracted=failed, control=0, seen=CallersSeen(seen, 0))
    assert isinstance(reading.result, result)
    assert reading.numbers["rate"] == pytest.approx(0.05)


def test_each_day_of_watching_is_a_test_of_its_own() -> None:
    day = replace(WATCHING, period=3)
    assert errors(record=day, extracted=0, control=0, seen=CallersSeen(200, 0)).numbers["test"] == 4


def test_errors_while_watching_need_a_rate_and_the_number_of_callers() -> None:
    assert isinstance(errors(record=replace(WATCHING, base_rates={})).result, CannotMeasure)
    assert isinstance(errors(record=replace(WATCHING, base_rates={"errors": 0.3})).result, CannotMeasure)
    assert isinstance(errors(record=WATCHING, seen=None).result, CannotMeasure)
    floor = replace(POLICY, floor=0.001)
    reading = errors(floor, replace(WATCHING, base_rates={}), extracted=0, seen=CallersSeen(10_000, 0))
    assert isinstance(reading.result, Passed)


def test_rate_of_the_control_is_never_0_and_never_guessed() -> None:
    counts = callers(POLICY, CANARY, START, control=0, seen=CallersSeen(10, 1000))
    assert control_rate(counts) == 0.001
    assert control_rate(replace(counts, control=20)) == 0.02
    assert control_rate(replace(counts, seen=None)) is None
    assert control_rate(Unavailable("no")) is None


def test_equivalence_passes_with_every_operation_proven() -> None:
    assert isinstance(equivalence().result, Passed)
    result = equivalence(missing=200).result
    assert result == NotEnough("200 more matching pairs of GET /products", 100.0)
    assert equivalence(missing=None).result == NotEnough("more pairs than can come of GET /products", None)


def test_equivalence_fails_once_more_mismatch_than_the_target_allows() -> None:
    assert isinstance(equivalence(missing=None, mismatched=40).result, Failed)
    assert isinstance(equivalence(missing=None, mismatched=12).result, NotEnough)


def test_equivalence_leaves_out_operations_of_other_classes() -> None:
    low = ComparedPairs("GET /ads", "low", 10, 10, None, 0.0)
    proven = ComparedPairs("GET /products", "high", 10_000, 0, 0, 1.0)
    assert isinstance(equivalence(operations=(low, proven)).result, Passed)
    nothing = equivalence(operations=(low,)).result
    assert nothing == NotEnough("pairs: no operation of class high, medium was compared")


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"scope": Scope("r0")}, "the evidence is of revision r0, not r1"),
        ({"scope": Scope(REVISION, 7)}, "the evidence is of attempt 7, not 1"),
        ({"at": START - 100}, "the evidence is 2 min old"),
        ({"target": 0.01}, "the pairs count towards a mismatch rate of 0.01, not 0.001"),
        ({"tested_at": None}, "the comparison has not been tested with known pairs"),
        ({"tested_at": START - 7201}, "the last self-test of the comparison does not count: the evidence is 3 h old"),
        ({"failure": "a known pair matched"}, "the comparison fails its self-test: a known pair matched"),
    ],
)
def test_equivalence_that_does_not_count(other: dict[str, Any], why: str) -> None:
    assert equivalence(**other).result == CannotMeasure(why)


def test_equivalence_lasts_over_the_steps_of_a_revision() -> None:
    assert isinstance(equivalence(scope=Scope(REVISION, 1, 0)).result, Passed)


@pytest.mark.parametrize(
    ("measured", "result"),
    [
        (MetricValue(START, 0.019), Passed("0.019 is below 0.02")),
        (MetricValue(START, 0.02), Failed("0.02 is not below 0.02")),
        (MetricValue(START, float("inf")), Failed("inf is not below 0.02")),
        (MetricValue(START, float("nan")), CannotMeasure("the value is NaN")),
        (MetricValue(START - 31, 0.0), NotEnough("a value measured since the step began")),
        (MetricValue(START - 300, 0.0), CannotMeasure("the evidence is 5 min old")),
        (Unavailable("Prometheus returned 2 series"), CannotMeasure("Prometheus returned 2 series")),
        (None, CannotMeasure("it was not queried")),
    ],
)
def test_metric_results(measured: Any, result: object) -> None:
    assert metric_reading("checkout", 0.02, measured, START - 30, START).result == result


@pytest.mark.parametrize(
    ("state", "gates"),
    [
        (RolloutState.WAITING, []),
        (RolloutState.SHADOWING, []),
        (RolloutState.PROVING, ["equivalence", "checkout"]),
        (RolloutState.CANARY, ["equivalence", "errors", "latency", "checkout"]),
        (RolloutState.PROMOTING, ["equivalence", "errors", "latency", "checkout"]),
        (RolloutState.HOLDING, ["equivalence", "errors", "latency", "checkout"]),
        (RolloutState.WATCHING, ["equivalence", "errors", "latency", "checkout"]),
        (RolloutState.EXTRACTED, []),
        (RolloutState.ROLLED_BACK, []),
    ],
)
def test_gates_that_count_in_each_state(state: RolloutState, gates: list[str]) -> None:
    rollout = Rollout().reach(state)
    readings = read_gates(rollout.policy, rollout.record, rollout.evidence(), rollout.now)
    assert [reading.gate for reading in readings] == gates


def test_reading_is_a_sentence_for_people() -> None:
    assert str(Reading("errors", NotEnough("9 more callers", 90.0))) == "errors needs 9 more callers, about 90 s"
    assert str(Reading("errors", CannotMeasure("no"))) == "errors can't be measured: no"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (99, "99 s"), (100, "2 min"), (6000, "2 h"), (2 * DAY, "2 days"), (2.1 * DAY, "3 days")],
)
def test_durations_are_rounded_up(seconds: float, text: str) -> None:
    assert duration(seconds) == text
