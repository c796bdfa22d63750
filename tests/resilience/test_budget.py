"""The retry budget: never more retries than its share of the traffic and its minimum allow."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from strangler.model.resilience import RetryBudget
from strangler.resilience.budget import RetryAllowance


def taken(budget: RetryAllowance, now: float, requests: int, tries: int) -> int:
    return sum(budget.take(now, requests) for _ in range(tries))


def test_retries_are_a_share_of_the_requests() -> None:
    budget = RetryAllowance(RetryBudget(percent=20, minimum=0), 0.0)
    retries = 0
    for requests in range(1, 1001):
        retries += budget.take(0.0, requests)
    assert 199 <= retries <= 200


def test_little_traffic_has_a_minimum() -> None:
    budget = RetryAllowance(RetryBudget(percent=0, minimum=2), 0.0)
    assert taken(budget, 0.0, 0, 100) == 20
    assert taken(budget, 3.0, 0, 100) == 6


def test_nothing_is_saved_for_longer_than_a_moment() -> None:
    budget = RetryAllowance(RetryBudget(percent=100, minimum=1), 0.0)
    assert taken(budget, 3600.0, 1_000_000, 100) == 10


def test_no_share_and_no_minimum_is_no_retry() -> None:
    budget = RetryAllowance(RetryBudget(percent=0, minimum=0), 0.0)
    assert not budget.take(100.0, 100)


@given(
    st.floats(0, 100),
    st.floats(0, 10),
    st.lists(st.tuples(st.floats(0, 3), st.integers(0, 50), st.integers(0, 30)), max_size=50),
)
def test_the_budget_is_never_exceeded(percent: float, minimum: float, steps: list[tuple[float, int, int]]) -> None:
    budget = RetryAllowance(RetryBudget(percent=percent, minimum=minimum), 0.0)
    now, requests, retries = 0.0, 0, 0
    saved = max(1.0, minimum * 10)
    for later, more, tries in steps:
        now += later
        requests += more
        retries += taken(budget, now, requests, tries)
        assert retries <= saved + requests * percent / 100 + now * minimum + 1e-6
