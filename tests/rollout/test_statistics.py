"""The e-values: that they are what they promise, whatever the share, the order and the size of the numbers."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strangler.rollout.statistics.failing_callers import (
    SideCounts,
    extracted_probability,
    log_e_harmless,
    log_e_worse,
)
from strangler.rollout.statistics.feasibility import (
    CallersNeeded,
    StepTest,
    callers_needed,
    failing_callers_needed,
    failing_callers_to_go,
)
from strangler.rollout.statistics.known_rate import log_e_above, log_e_below, trials_to_show_below
from strangler.rollout.statistics.spending import log_needed_to_promote, log_needed_to_roll_back
from strangler.rollout.statistics.stopping import stopping
from strangler.shadow.evidence import sequence

shares = st.floats(0.001, 0.999)
counts = st.integers(0, 100_000)


@given(shares, st.floats(0.1, 1.0))
def test_next_caller_multiplies_e_worse_by_1_at_most_in_the_mean_if_not_worse(share: float, ratio: float) -> None:
    assert mean_factor(share, ratio, lambda one: log_e_worse((one,))) <= 1 + 1e-9


@given(shares, st.floats(5.0, 100.0))
def test_next_caller_multiplies_e_harmless_by_1_at_most_in_the_mean_if_harmful(share: float, ratio: float) -> None:
    assert mean_factor(share, ratio, lambda one: log_e_harmless((one,), 5.0)) <= 1 + 1e-9


@given(shares)
def test_both_are_martingales_at_the_edge_of_what_they_test(share: float) -> None:
    assert mean_factor(share, 1.0, lambda one: log_e_worse((one,))) == pytest.approx(1)
    assert mean_factor(share, 5.0, lambda one: log_e_harmless((one,), 5.0)) == pytest.approx(1)


@given(st.lists(st.tuples(counts, counts, shares), min_size=1, max_size=5))
def test_share_may_change_between_callers(parts: list[tuple[int, int, float]]) -> None:
    whole = [SideCounts(*part) for part in parts]
    assert log_e_harmless(whole, 5.0) == pytest.approx(sum(log_e_harmless((part,), 5.0) for part in whole))
    assert log_e_worse(whole) == pytest.approx(log_e_worse(reversed(whole)))


@given(counts, counts, shares)
def test_e_values_are_finite_however_many_callers_fail(extracted: int, control: int, share: float) -> None:
    part = SideCounts(extracted, control, share)
    assert math.isfinite(log_e_worse((part,)))
    assert math.isfinite(log_e_harmless((part,), 5.0))


@given(st.integers(0, 200), st.integers(0, 5000), shares)
def test_caller_on_the_extracted_side_speaks_against_the_release(extracted: int, control: int, share: float) -> None:
    part, worse = SideCounts(extracted, control, share), SideCounts(extracted + 1, control, share)
    better = SideCounts(extracted, control + 1, share)
    assert log_e_worse((better,)) <= log_e_worse((part,)) <= log_e_worse((worse,))
    assert log_e_harmless((worse,), 5.0) <= log_e_harmless((part,), 5.0) <= log_e_harmless((better,), 5.0)


def test_no_failing_caller_shows_nothing() -> None:
    assert log_e_worse((SideCounts(0, 0, 0.01),)) == pytest.approx(0)
    assert log_e_harmless((SideCounts(0, 0, 0.01),), 5.0) == 0


@pytest.mark.parametrize("part", [SideCounts(-1, 0, 0.5), SideCounts(0, -1, 0.5), SideCounts(0, 0, 0.0)])
def test_counts_that_cannot_be_are_refused(part: SideCounts) -> None:
    with pytest.raises(ValueError, match="can't be"):
        log_e_worse((part,))


def test_harmful_ratio_is_above_1() -> None:
    with pytest.raises(ValueError, match="a harmful ratio is above 1"):
        log_e_harmless((), 1.0)


@given(st.integers(0, 50), st.integers(0, 20_000), st.sampled_from([0.0005, 0.001, 0.01, 0.2]))
def test_e_below_is_the_equivalence_sequence_of_shadow_evidence(failed: int, fine: int, rate: float) -> None:
    expected = sequence.evidence(failed + fine, failed, rate)
    assert log_e_below(failed, failed + fine, rate) == pytest.approx(expected, abs=1e-9)


@given(st.floats(0.0001, 0.9), st.floats(0.0, 1.0))
def test_known_rate_tests_are_supermartingales_under_what_they_test(rate: float, part: float) -> None:
    not_above, not_below = rate * part, rate + (1 - rate) * part
    assert bernoulli_mean(not_above, lambda failed: log_e_above(failed, 1, rate)) <= 1 + 1e-9
    assert bernoulli_mean(not_below, lambda failed: log_e_below(failed, 1, rate)) <= 1 + 1e-9


@given(st.integers(0, 30), st.sampled_from([0.001, 0.01, 0.1]))
def test_trials_to_show_below_are_exactly_enough(failed: int, rate: float) -> None:
    needed = trials_to_show_below(failed, rate, math.log(1000))
    assert log_e_below(failed, needed, rate) >= math.log(1000) - 1e-9
    assert log_e_below(failed, needed - 1, rate) < math.log(1000)


@pytest.mark.parametrize(("failed", "seen", "rate"), [(2, 1, 0.1), (-1, 1, 0.1), (0, 1, 0.0), (0, 1, 1.0)])
def test_known_rate_numbers_that_cannot_be_are_refused(failed: int, seen: int, rate: float) -> None:
    with pytest.raises(ValueError, match=r"can't be|a rate is above 0"):
        log_e_above(failed, seen, rate)


def test_all_rollback_tests_of_all_gates_spend_alpha_at_most() -> None:
    spent = sum(3 * math.exp(-log_needed_to_roll_back(0.01, 3, test)) for test in range(1, 10_000))
    assert 0.0099 < spent < 0.01
    assert log_needed_to_promote(0.001) == pytest.approx(math.log(1000))


@pytest.mark.parametrize(("gates", "test"), [(0, 1), (1, 0)])
def test_spending_of_no_gate_or_test_is_refused(gates: int, test: int) -> None:
    with pytest.raises(ValueError, match="can't be"):
        log_needed_to_roll_back(0.01, gates, test)


def test_stopping_of_a_test_known_by_heart() -> None:
    # The first success rolls back, the third failure promotes.
    ends = stopping(0.5, promotes=lambda k, n: k == 0 and n == 3, rolls_back=lambda k, n: k >= 1)
    assert ends.rolling_back == (0.5, 0.25, 0.125)
    assert ends.promoting == (0.0, 0.0, 0.125)
    assert ends.mean == 0.5 + 2 * 0.25 + 3 * 0.25
    assert (ends.ended_by(0.5), ends.ended_by(0.9)) == (1, 3)


def test_mean_to_go_is_near_the_exact_one() -> None:
    test = StepTest(0.01, 5.0, math.log(1e9), math.log(1000))
    to_go = failing_callers_to_go(SideCounts(0, 0, 0.01), 5.0, math.log(1000))
    assert to_go == pytest.approx(failing_callers_needed(test, 1.0).mean, rel=0.02)
    assert failing_callers_to_go(SideCounts(0, 500, 0.01), 5.0, math.log(1000)) == 0


def test_time_to_go_follows_from_the_rate_of_callers() -> None:
    needed = CallersNeeded(12_000, 60_000)
    assert needed.seconds(4_000 / 86_400) == pytest.approx((3 * 86_400, 15 * 86_400))
    assert needed.seconds(0) is None


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_base_rate_that_is_none_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="a rate of failing callers is above 0"):
        callers_needed(StepTest(0.5, 5.0, 5.0, 7.0), rate)


def mean_factor(share: float, ratio: float, log_e: object) -> float:
    """What the next failing caller multiplies an e-value by in the mean."""
    assert callable(log_e)
    theta = extracted_probability(ratio, share)
    return theta * math.exp(log_e(SideCounts(1, 0, share))) + (1 - theta) * math.exp(log_e(SideCounts(0, 1, share)))


def bernoulli_mean(rate: float, log_e: object) -> float:
    assert callable(log_e)
    return rate * math.exp(log_e(1)) + (1 - rate) * math.exp(log_e(0))
