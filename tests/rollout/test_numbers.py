"""The probabilities of the sequential tests: exact by dynamic programming, and in 10,000 seeded runs."""

from __future__ import annotations

import math
from random import Random

import pytest

from strangler.rollout.statistics.failing_callers import (
    SideCounts,
    extracted_probability,
    log_e_harmless,
    log_e_worse,
)
from strangler.rollout.statistics.feasibility import StepTest, callers_needed, failing_callers_needed
from strangler.rollout.statistics.stopping import Stopping, stopping

ALPHA, BETA, HARMFUL = 0.01, 0.001, 5.0
RUNS = 10_000


def wald(truth: float) -> Stopping:
    """Wald's test of a failure rate of 1 % against 5 %, with the bounds 1/alpha and beta (Wald 1945)."""
    failed, fine = math.log(0.05 / 0.01), math.log(0.95 / 0.99)

    def log_ratio(failures: int, trials: int) -> float:
        return failures * failed + (trials - failures) * fine

    return stopping(
        truth,
        promotes=lambda failures, trials: log_ratio(failures, trials) <= math.log(BETA),
        rolls_back=lambda failures, trials: log_ratio(failures, trials) >= -math.log(ALPHA),
    )


def step_test(share: float) -> StepTest:
    return StepTest(share, HARMFUL, -math.log(ALPHA), -math.log(BETA))


def test_wald_test_of_a_good_release() -> None:
    ends = wald(0.01)
    assert round(ends.rolled_back, 6) == 0.005835
    assert round(ends.promoted, 6) == 0.994165
    assert round(ends.mean, 1) == 277.2
    assert (ends.ended_by(0.5), ends.ended_by(0.999)) == (248, 888)


def test_wald_test_of_a_bad_release() -> None:
    ends = wald(0.05)
    assert round(ends.promoted, 6) == 0.000976
    assert round(ends.mean, 1) == 126.1
    assert (ends.ended_by(0.5), ends.ended_by(0.99), ends.ended_by(0.999)) == (102, 471, 688)


@pytest.mark.parametrize(("truth", "rolled_back"), [(0.005, 0.000219), (0.02, 0.2222), (0.03, 0.8535)])
def test_wald_test_of_releases_in_between(truth: float, rolled_back: float) -> None:
    digits = len(str(rolled_back)) - 2
    assert round(wald(truth).rolled_back, max(digits, 4)) == rolled_back


def test_first_step_catches_a_bad_release_by_this_many_callers() -> None:
    # Of the callers who come, 1 % are on the extracted side, where Wald's test looks at each.
    ends = wald(0.05)
    assert ends.mean / 0.01 == pytest.approx(12_600, rel=0.01)
    assert ends.ended_by(0.999) / 0.01 == pytest.approx(69_000, rel=0.01)


# The probabilities of the tests that the gates apply, in percent: exact, and as 10,000 earlier runs estimated them.
PROBABILITIES = [
    pytest.param(0.01, 1.0, "rolled back", 0.4940, 0.43, id="1 %, good"),
    pytest.param(0.01, 5.0, "promoted", 0.0965, 0.13, id="1 %, five times as bad"),
    pytest.param(0.50, 1.0, "rolled back", 0.6893, 0.79, id="50 %, good"),
    pytest.param(0.50, 5.0, "promoted", 0.0623, 0.05, id="50 %, five times as bad"),
]


@pytest.mark.parametrize(("share", "ratio", "error", "exact", "once"), PROBABILITIES)
def test_error_probability_of_the_failing_callers_tests(
    share: float, ratio: float, error: str, exact: float, once: float
) -> None:
    ends = failing_callers_needed(step_test(share), ratio)
    found = 100 * (ends.rolled_back if error == "rolled back" else ends.promoted)
    assert found == pytest.approx(exact, abs=0.00005)
    assert found == pytest.approx(once, abs=3 * standard_error(found))
    assert ends.rolled_back + ends.promoted == pytest.approx(1)


@pytest.mark.parametrize(("share", "ratio", "error", "exact", "once"), PROBABILITIES)
def test_error_frequency_in_10000_seeded_runs(
    share: float, ratio: float, error: str, exact: float, once: float
) -> None:
    errors = 100 * wrong_ends(share, ratio, error == "promoted") / RUNS
    assert errors == pytest.approx(exact, abs=3 * standard_error(exact))
    assert errors == pytest.approx(once, abs=3 * math.sqrt(2) * standard_error(exact))


@pytest.mark.parametrize("share", [0.01, 0.05, 0.25, 0.5, 0.9])
def test_error_probabilities_are_bounded_at_every_share(share: float) -> None:
    assert failing_callers_needed(step_test(share), 1.0).rolled_back <= ALPHA
    assert failing_callers_needed(step_test(share), 0.5).rolled_back <= ALPHA
    for ratio in (5.0, 7.0):
        assert failing_callers_needed(step_test(share), ratio).promoted <= BETA


@pytest.mark.parametrize(
    ("share", "mean", "nearly_all"),
    [(0.01, 29_751, 89_608), (0.05, 6_804, 21_330), (0.25, 2_449, 8_699), (0.5, 2_497, 9_507)],
)
def test_callers_that_a_good_release_needs_at_a_base_rate_of_1_percent(
    share: float, mean: float, nearly_all: float
) -> None:
    needed = callers_needed(step_test(share), 0.01)
    assert needed.mean == pytest.approx(mean, abs=1)
    assert needed.nearly_all == pytest.approx(nearly_all, rel=0.001)


def test_callers_that_come_before_a_bad_release_is_rolled_back() -> None:
    needed = callers_needed(step_test(0.01), 0.01, ratio=5.0)
    assert needed.mean == pytest.approx(14_011, abs=1)
    assert needed.nearly_all == pytest.approx(61_700, rel=0.001)


def standard_error(percent: float) -> float:
    """That of a percentage which 10,000 runs estimate."""
    return math.sqrt(percent * (100 - percent) / RUNS)


def wrong_ends(share: float, ratio: float, promotes: bool) -> int:
    """In how many of the runs the tests promote (or else roll back), caller by caller."""
    draw, extracted = Random(20_110_356).random, extracted_probability(ratio, share)
    # The mixture is a mean of products; one caller shows what each side multiplies the single ones by.
    worse = {side: single_ratios(share, side) for side in (True, False)}
    harmless = {side: log_e_harmless((SideCounts(int(side), int(not side), share),), HARMFUL) for side in (True, False)}
    wrong = 0
    for _ in range(RUNS):
        a = b = c = d = 1.0
        promote = 0.0
        while True:
            side = draw() < extracted
            by = worse[side]
            a, b, c, d = a * by[0], b * by[1], c * by[2], d * by[3]
            promote += harmless[side]
            if a + b + c + d >= 4 / ALPHA:
                wrong += not promotes
                break
            if promote >= -math.log(BETA):
                wrong += promotes
                break
    return wrong


def single_ratios(share: float, on_extracted: bool) -> list[float]:
    """What one failing caller multiplies the likelihood ratio of each r by."""
    base = extracted_probability(1.0, share)
    factors = []
    for ratio in (2.0, 3.0, 5.0, 8.0):
        theta = extracted_probability(ratio, share)
        factors.append(theta / base if on_extracted else (1 - theta) / (1 - base))
    counts = SideCounts(int(on_extracted), int(not on_extracted), share)
    assert math.log(sum(factors) / 4) == pytest.approx(log_e_worse((counts,)))
    return factors
