"""What a number of compared pairs proves, against the published figures and the definition."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strangler.shadow.evidence.verdict import at_most, pairs_missing, upper_bound, verdict


@pytest.mark.parametrize(("pairs", "rate"), [(299, 0.01), (2_995, 0.001), (29_956, 0.0001)])
def test_without_a_mismatch_so_many_pairs_show_that_few_would_mismatch(pairs: int, rate: float) -> None:
    assert upper_bound(pairs, 0) < rate
    assert upper_bound(pairs - 1, 0) >= rate
    assert pairs_missing(0, 0, rate) == pairs
    assert pairs_missing(pairs - 1, 0, rate) == 1
    assert pairs_missing(pairs, 0, rate) == 0


@pytest.mark.parametrize(
    ("compared", "mismatched", "bound"),
    # One-sided Clopper–Pearson limits at 95 %, as tables of the beta distribution give them.
    [(1, 0, 0.95), (10, 0, 0.2589), (10, 1, 0.3942), (20, 2, 0.2826), (100, 1, 0.0466), (100, 5, 0.1023), (3, 3, 1.0)],
)
def test_the_bound_is_that_of_clopper_and_pearson(compared: int, mismatched: int, bound: float) -> None:
    assert upper_bound(compared, mismatched) == pytest.approx(bound, abs=5e-5)


def test_nothing_compared_shows_nothing() -> None:
    assert upper_bound(0, 0) == 1.0
    assert not verdict(0, 0, 0.01).proven


@settings(deadline=None)
@given(st.integers(1, 60), st.data())
def test_at_the_bound_so_few_mismatches_have_the_promised_probability(pairs: int, data: st.DataObject) -> None:
    mismatched = data.draw(st.integers(0, pairs - 1))
    bound = upper_bound(pairs, mismatched)
    assert at_most(mismatched, pairs, bound) == pytest.approx(0.05, rel=1e-6)


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(0, 40), st.fractions(0, 1, max_denominator=50))
def test_the_tail_of_the_distribution_is_exact(trials: int, most: int, rate: Fraction) -> None:
    exact = sum(comb(trials, k) * rate**k * (1 - rate) ** (trials - k) for k in range(min(most, trials) + 1))
    assert at_most(most, trials, float(rate)) == pytest.approx(float(exact), rel=1e-9, abs=1e-300)


@settings(deadline=None)
@given(st.integers(0, 500), st.integers(0, 5), st.sampled_from([0.5, 0.1, 0.02]))
def test_the_missing_pairs_are_the_fewest_that_do(compared: int, mismatched: int, target: float) -> None:
    mismatched = min(compared, mismatched)
    missing = pairs_missing(compared, mismatched, target)
    assert missing is not None
    assert upper_bound(compared + missing, mismatched) < target
    assert missing == 0 or upper_bound(compared + missing - 1, mismatched) >= target


def test_a_mismatch_must_be_outweighed() -> None:
    assert pairs_missing(0, 0, 0.01) == 299
    assert pairs_missing(1, 1, 0.01) == 472


def test_a_large_sample_is_counted_exactly() -> None:
    assert upper_bound(10_000_000, 1_000) == pytest.approx(1.054e-4, rel=1e-3)


def test_the_time_to_go_follows_from_the_rate_of_pairs() -> None:
    found = verdict(compared=1_855, mismatched=0, target=0.001)
    assert found.missing == 1_140
    assert found.seconds_to_go(per_second=1_140 / 18_000) == pytest.approx(18_000)
    assert found.seconds_to_go(per_second=0) is None
    assert verdict(compared=3_000, mismatched=0, target=0.001).seconds_to_go(per_second=0) == 0.0


@pytest.mark.parametrize(("compared", "mismatched"), [(1, 2), (-1, 0), (5, -1)])
def test_numbers_that_cannot_be_are_refused(compared: int, mismatched: int) -> None:
    with pytest.raises(ValueError, match="can't mismatch"):
        upper_bound(compared, mismatched)


@pytest.mark.parametrize("target", [0.0, -1.0, 1.5])
def test_a_target_that_cannot_be_is_refused(target: float) -> None:
    with pytest.raises(ValueError, match="target rate"):
        pairs_missing(10, 0, target)
