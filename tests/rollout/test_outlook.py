"""The outlook of a rollout before it starts."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from strangler.rollout.outlook import outlook, step_test
from strangler.rollout.policy import RolloutPolicy
from strangler.rollout.statistics.feasibility import callers_to_show_below
from strangler.rollout.statistics.known_rate import log_e_below

POLICY = RolloutPolicy()
NO_FLOOR = replace(POLICY, floor=None)


def test_each_step_with_a_control_has_an_outlook() -> None:
    steps = outlook(POLICY, 0.01)
    assert [step.percent for step in steps] == [1.0, 5.0, 25.0, 50.0]
    assert [round(step.needed.mean, -3) for step in outlook(NO_FLOOR, 0.01)] == [30_000, 7_000, 2_000, 3_000]


def test_floor_costs_little_and_makes_a_quiet_service_possible() -> None:
    assert outlook(POLICY, 0.01)[0].needed.mean < 1.15 * outlook(NO_FLOOR, 0.01)[0].needed.mean
    assert math.isinf(outlook(NO_FLOOR, 0.0)[0].needed.mean)
    # ln 2,000 by 0.0009 for each caller on the extracted side.
    assert outlook(POLICY, 0.0)[0].needed.mean == pytest.approx(844_100, rel=0.001)


def test_outlook_is_a_sentence_with_the_time_it_takes() -> None:
    assert outlook(NO_FLOOR, 0.01)[0].sentence(4000) == (
        "at 1 %: about 30,000 callers (96,000 in 99.9 % of cases); with 4,000 a day 8 days (24 days)"
    )
    assert outlook(NO_FLOOR, 0.0)[0].sentence(4000) == "at 1 %: no number of callers is enough"
    assert outlook(NO_FLOOR, 0.01)[0].sentence(0) == (
        "at 1 %: about 30,000 callers (96,000 in 99.9 % of cases); none come"
    )


def test_quiet_callers_needed_are_enough() -> None:
    needed = callers_to_show_below(0.001, 0.0, math.log(2000))
    assert needed.nearly_all == pytest.approx(needed.mean, rel=0.001)
    assert log_e_below(0, int(needed.nearly_all) + 1, 0.001) >= math.log(2000)
    some = callers_to_show_below(0.001, 0.0001, math.log(2000))
    assert needed.mean < some.mean < some.nearly_all
    assert math.isinf(callers_to_show_below(0.001, 0.001, math.log(2000)).mean)


def test_tests_of_a_step_divide_alpha_by_gates_and_by_their_number() -> None:
    assert math.exp(step_test(POLICY, 0.01, 1).log_to_roll_back) == pytest.approx(3 * 2 / 0.01)
    assert math.exp(step_test(POLICY, 0.01, 4).log_to_roll_back) == pytest.approx(3 * 20 / 0.01)
