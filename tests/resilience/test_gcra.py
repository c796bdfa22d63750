"""The token bucket against a bucket that is counted the plain way, and what a limit promises."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from strangler.resilience.gcra import SECOND, Rate, give_back, rate_of, take

RATES = st.builds(Rate, st.integers(1, 10 * SECOND), st.integers(1, 1000))
PAUSES = st.lists(st.integers(0, 20 * SECOND), min_size=1, max_size=60)


class PlainBucket:
    """Tokens that are there, in fractions, as in a textbook."""

    def __init__(self, rate: Rate, now: int) -> None:
        self.rate = rate
        self.tokens = Fraction(rate.burst)
        self.at = now

    def take(self, now: int) -> bool:
        grown = Fraction(now - self.at, self.rate.interval)
        self.tokens = min(Fraction(self.rate.burst), self.tokens + grown)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


@given(RATES, PAUSES)
def test_it_decides_as_a_bucket_of_tokens_does(rate: Rate, pauses: list[int]) -> None:
    now = SECOND
    arrival, plain = 0, PlainBucket(rate, now)
    for pause in pauses:
        now += pause
        verdict = take(arrival, now, rate)
        assert verdict.allowed == plain.take(now)
        arrival = verdict.arrival
        if verdict.allowed:
            assert verdict.remaining == int(plain.tokens)


@given(RATES, PAUSES)
def test_what_it_says_of_the_future_is_true(rate: Rate, pauses: list[int]) -> None:
    now, arrival = SECOND, 0
    for pause in pauses:
        now += pause
        verdict = take(arrival, now, rate)
        arrival = verdict.arrival
        if verdict.allowed:
            assert verdict.wait == 0
        else:
            assert not take(arrival, now + verdict.wait - 1, rate).allowed
            assert take(arrival, now + verdict.wait, rate).allowed
        full = take(arrival, now + verdict.reset, rate)
        assert full.allowed
        assert full.remaining == rate.burst - 1


@given(RATES)
def test_a_new_bucket_lets_exactly_its_burst_in(rate: Rate) -> None:
    now, arrival = SECOND, 0
    for left in reversed(range(rate.burst)):
        verdict = take(arrival, now, rate)
        assert verdict.allowed
        assert verdict.remaining == left
        arrival = verdict.arrival
    assert not take(arrival, now, rate).allowed


@given(RATES, PAUSES)
def test_a_token_that_is_given_back_is_as_if_it_had_not_been_taken(rate: Rate, pauses: list[int]) -> None:
    now, arrival = SECOND, 0
    for pause in pauses:
        now += pause
        verdict = take(arrival, now, rate)
        if verdict.allowed:
            again = take(give_back(verdict.arrival, rate), now, rate)
            assert again == verdict
        arrival = verdict.arrival


@given(st.integers(1, 10_000), st.floats(0.001, 86_400), st.integers(1, 100))
def test_no_more_is_let_in_than_was_asked_for(requests: int, per: float, burst: int) -> None:
    rate = rate_of(requests, per, burst)
    assert rate.interval * requests >= round(per * SECOND)
