"""The simulated rollouts: that they are drawn as they should be, and that it is the gate's own test they meet."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from random import Random
from zoneinfo import ZoneInfo

import pytest

from strangler.rollout.policy import DAY, RolloutPolicy, Window
from strangler.rollout.record import RollbackTest
from strangler.rollout.simulation.__main__ import lines
from strangler.rollout.simulation.events import StepEvents, side_factors
from strangler.rollout.simulation.figures import simulate, spread
from strangler.rollout.simulation.play import play, played_policy
from strangler.rollout.simulation.traffic import Traffic, step_cells
from strangler.rollout.states import RolloutState
from strangler.rollout.statistics.failing_callers import RATIOS, SideCounts, log_e_harmless, log_e_worse
from strangler.rollout.statistics.feasibility import StepTest, failing_callers_needed
from strangler.rollout.statistics.spending import log_needed_to_promote, log_needed_to_roll_back

TRAFFIC = Traffic()
# Callers of this traffic fail independently and at once, which is what the exact numbers are about.
PLAIN = Traffic(request_failure=0.0)
POLICY = replace(played_policy(RolloutPolicy()), floor=None)


@pytest.mark.parametrize("share", [0.01, 0.25, 0.5])
def test_factors_are_those_of_the_gate(share: float) -> None:
    for factors, counts in zip(side_factors(share), (SideCounts(1, 0, share), SideCounts(0, 1, share)), strict=True):
        assert math.log(sum(factors) / len(RATIOS)) == pytest.approx(log_e_worse((counts,)), abs=1e-12)


@pytest.mark.parametrize(("share", "ratio"), [(0.01, 1.0), (0.05, 5.0), (0.5, 1.0), (0.5, 2.0)])
def test_step_ends_as_often_each_way_as_the_exact_test(share: float, ratio: float) -> None:
    random, runs, rolled_back, failing = Random(5), 2000, 0, 0
    needed = log_needed_to_roll_back(POLICY.alpha, POLICY.tested_gates, 1), log_needed_to_promote(POLICY.beta)
    for _ in range(runs):
        events = StepEvents(POLICY, share, step_cells(PLAIN, share, ratio), random)
        while True:
            events.run(RollbackTest())
            counts = SideCounts(events.extracted, events.control, share)
            worse = log_e_worse((counts,)) >= needed[0]
            if worse or log_e_harmless((counts,), POLICY.harmful_ratio) >= needed[1]:
                break
        rolled_back += worse
        failing += events.extracted + events.control
    exact = failing_callers_needed(StepTest(share, POLICY.harmful_ratio, *needed), ratio)
    error = math.sqrt(exact.rolled_back * (1 - exact.rolled_back) / runs)
    assert rolled_back / runs == pytest.approx(exact.rolled_back, abs=4 * error + 1e-3)
    assert failing / runs == pytest.approx(exact.mean, rel=0.1)


def test_callers_fail_as_often_as_the_traffic_says() -> None:
    # Without a test that ends, callers come until the time is over.
    random, share, until, runs = Random(6), 0.25, 3600.0, 100
    policy = replace(POLICY, alpha=1e-300, harmful_ratio=1.0001)
    extracted = control = 0
    for _ in range(runs):
        events = StepEvents(policy, share, step_cells(TRAFFIC, share, 2.0), random)
        while events.time < until:
            events.run(RollbackTest(1, events.extracted, events.control), until, promotes=False)
        extracted, control = extracted + events.extracted, control + events.control
    callers = runs * TRAFFIC.callers
    assert extracted == pytest.approx(callers * share * TRAFFIC.failed_by(until, 2.0), rel=0.02)
    assert control == pytest.approx(callers * (1 - share) * TRAFFIC.failed_by(until, 1.0), rel=0.02)


def test_traffic_time_and_wall_time_are_inverse() -> None:
    for phase in (0.0, 0.3 * DAY, 0.9 * DAY):
        for wall in (10.0, 3600.0, 3 * DAY):
            assert TRAFFIC.wall_time(TRAFFIC.traffic_time(wall, phase), phase) == pytest.approx(wall, abs=0.1)


def test_callers_come_and_fail_ever_more() -> None:
    times = [10.0 * 2**power for power in range(20)]
    for values in (map(TRAFFIC.seen_by, times), (TRAFFIC.failed_by(time, 5.0) for time in times)):
        assert all(0 <= low < high <= 1 for low, high in pairwise(values))


def test_cells_have_the_share_of_the_extracted_side() -> None:
    assert all(part == pytest.approx(0.05) for part in step_cells(TRAFFIC, 0.05, 1.0).extracted)
    bad = step_cells(PLAIN, 0.05, 5.0).extracted
    assert bad[0] == pytest.approx(0.25 / 1.2)


def test_good_release_is_moved_and_a_bad_one_is_met_by_few() -> None:
    good, bad = (simulate(RolloutPolicy(), TRAFFIC, ratio, 150, 11) for ratio in (1.0, 5.0))
    assert (good.moved, good.open) == (150 - good.rolled_back, 0)
    assert good.rolled_back <= 5
    assert bad.rolled_back >= 149
    assert bad.promoted <= 1
    assert bad.within >= 0.99
    assert list(good.seconds) == [1.0, 5.0, 25.0, 50.0]
    assert good.seconds[1.0].mean > good.seconds[50.0].mean


def test_same_seed_plays_the_same_rollouts() -> None:
    assert simulate(RolloutPolicy(), TRAFFIC, 5.0, 20, 3) == simulate(RolloutPolicy(), TRAFFIC, 5.0, 20, 3)
    assert simulate(RolloutPolicy(), TRAFFIC, 5.0, 20, 3) != simulate(RolloutPolicy(), TRAFFIC, 5.0, 20, 4)


def test_service_at_which_nobody_fails_is_moved_by_the_floor() -> None:
    quiet = Traffic(always_failing=0.0, request_failure=0.0)
    assert play(played_policy(RolloutPolicy()), quiet, 1.0, Random(1)).state is RolloutState.WATCHING
    # Without a floor there is nothing that could prove it.
    assert play(POLICY, quiet, 1.0, Random(1)).state is RolloutState.CANARY


def test_site_with_too_few_callers_does_not_leave_the_first_step() -> None:
    played = play(played_policy(RolloutPolicy()), Traffic(callers=2000), 1.0, Random(1))
    assert (played.state, played.reached) == (RolloutState.CANARY, 1.0)


def test_windows_make_a_rollout_longer() -> None:
    window = Window(frozenset(range(7)), 12 * 3600.0, 13 * 3600.0, ZoneInfo("UTC"))
    policy = replace(played_policy(RolloutPolicy()), windows=(window,))
    played = play(policy, Traffic(callers=100_000), 1.0, Random(1))
    assert played.state is RolloutState.WATCHING
    # The first step begins within the window and takes longer than that is open: it ends on another day.
    assert played.seconds[1.0] > 20 * 3600


def test_figures_for_people() -> None:
    text = "\n".join(lines(simulate(RolloutPolicy(), TRAFFIC, 5.0, 20, 3)))
    assert text.startswith("5 times as many failing callers, 20 rollouts, seed 3\n  rolled back 100.000%")


def test_spread_of_numbers() -> None:
    found = spread([float(number) for number in range(1, 1001)])
    assert (found.mean, found.median, found.nearly_all, found.largest) == (500.5, 501.0, 1000.0, 1000.0)
