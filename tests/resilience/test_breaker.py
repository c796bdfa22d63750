"""The circuit breaker: when it opens, what it lets through, when it closes."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from strangler.model.resilience import BreakerSettings
from strangler.resilience.breaker import Breaker, State

SETTINGS = BreakerSettings(error_percent=50, minimum_requests=4, window=10, open_time=5, probes=2)


def breaker_of(settings: BreakerSettings) -> Breaker:
    return Breaker(settings, lambda _: None)


def answer(breaker: Breaker, now: float, status: int, seconds: float = 0.1) -> None:
    """A request that is answered."""
    ticket = breaker.enter(now)
    assert ticket
    breaker.answered(ticket, now, seconds, status)


def fail(breaker: Breaker, now: float) -> None:
    """A request that is not answered."""
    ticket = breaker.enter(now)
    assert ticket
    breaker.failed(ticket, now)


def opened(now: float = 1.0, settings: BreakerSettings = SETTINGS) -> Breaker:
    breaker = breaker_of(settings)
    for _ in range(settings.minimum_requests):
        fail(breaker, now)
    assert breaker.state is State.OPEN
    return breaker


def test_too_few_requests_open_nothing() -> None:
    breaker = breaker_of(SETTINGS)
    for _ in range(3):
        fail(breaker, 1.0)
    assert breaker.state is State.CLOSED


def test_the_share_of_failures_opens() -> None:
    breaker = breaker_of(SETTINGS)
    for status in (200, 404, 500):
        answer(breaker, 1.0, status)
    assert breaker.state is State.CLOSED
    answer(breaker, 1.0, 503)
    assert breaker.state is State.OPEN
    assert not breaker.enter(1.0)


@pytest.mark.parametrize("status", [200, 304, 400, 401, 404, 429, 499])
def test_what_a_client_did_wrong_is_no_failure(status: int) -> None:
    breaker = breaker_of(SETTINGS)
    for _ in range(100):
        answer(breaker, 1.0, status)
    assert breaker.state is State.CLOSED


def test_slow_answers_open_where_that_is_asked_for() -> None:
    lenient = breaker_of(SETTINGS)
    strict = breaker_of(BreakerSettings(slow=2.0, slow_percent=50, minimum_requests=4))
    for seconds in (0.1, 2.0, 0.1, 2.0):
        answer(lenient, 1.0, 200, seconds)
        answer(strict, 1.0, 200, seconds)
    assert (lenient.state, strict.state) == (State.CLOSED, State.OPEN)


def test_failures_older_than_the_window_are_forgotten() -> None:
    breaker = breaker_of(SETTINGS)
    for _ in range(3):
        fail(breaker, 1.0)
    fail(breaker, 20.0)
    assert breaker.state is State.CLOSED


def test_what_was_let_through_by_number_counts_when_it_began() -> None:
    breaker = breaker_of(SETTINGS)
    breaker.begun += 100
    breaker.tick(1.0)
    for _ in range(4):
        breaker.begun += 1
        breaker.failed(breaker.late_ticket(), 1.0)
    assert breaker.state is State.CLOSED
    breaker.begun += 4
    breaker.tick(20.0)
    breaker.failed(breaker.late_ticket(), 20.0)
    assert breaker.state is State.CLOSED
    breaker.failed(breaker.late_ticket(), 20.0)
    assert breaker.state is State.OPEN
    # What began before has nothing to say any more.
    assert not breaker.late_ticket()


def test_every_end_matters_where_slow_ones_count_and_while_it_is_not_closed() -> None:
    assert not breaker_of(SETTINGS).needs_every_end
    assert breaker_of(BreakerSettings(slow=2.0)).needs_every_end
    assert opened().needs_every_end


def test_it_refuses_until_its_time_is_over_and_then_lets_probes_through() -> None:
    breaker = opened(1.0)
    assert not breaker.enter(5.9)
    assert [bool(breaker.enter(6.0)) for _ in range(4)] == [True, True, False, False]
    assert breaker.state is State.HALF_OPEN


def test_probes_that_all_do_well_close_it() -> None:
    breaker = opened(1.0)
    first, second = breaker.enter(6.0), breaker.enter(6.0)
    breaker.answered(first, 6.1, 0.1, 200)
    assert breaker.state is State.HALF_OPEN
    assert not breaker.enter(6.1)
    breaker.answered(second, 6.2, 0.1, 200)
    assert breaker.state is State.CLOSED
    fail(breaker, 6.3)
    assert breaker.state is State.CLOSED  # what was before it opened is forgotten


def test_a_probe_that_fails_opens_it_again() -> None:
    breaker = opened(1.0)
    answer(breaker, 6.1, 500)
    assert breaker.state is State.OPEN
    assert breaker.opened == 2
    assert not breaker.enter(11.0)
    assert breaker.enter(11.1)


def test_a_client_that_hangs_up_gives_its_probe_back() -> None:
    breaker = opened(1.0, BreakerSettings(probes=1))
    ticket = breaker.enter(6.0)
    assert ticket
    assert not breaker.enter(6.0)
    breaker.abandoned(ticket)
    assert breaker.enter(6.0)


def test_what_began_before_it_opened_is_no_probe() -> None:
    breaker = breaker_of(SETTINGS)
    before = [breaker.enter(1.0) for _ in range(3)]
    for _ in range(3):
        fail(breaker, 1.0)
    assert breaker.state is State.OPEN
    assert breaker.enter(6.0)
    breaker.answered(before[0], 6.0, 5.0, 200)
    breaker.abandoned(before[1])
    breaker.failed(before[2], 6.0)
    assert breaker.state is State.HALF_OPEN
    assert breaker.probing == 1


def test_each_new_state_is_told() -> None:
    told: list[State] = []
    breaker = Breaker(SETTINGS, told.append)
    for _ in range(4):
        fail(breaker, 1.0)
    for _ in range(2):
        answer(breaker, 6.0, 200)
    assert told == [State.OPEN, State.HALF_OPEN, State.CLOSED]


def test_it_says_when_to_come_back() -> None:
    breaker = opened(1.0)
    assert breaker.retry_after(1.0) == 5
    assert breaker.retry_after(5.5) == 1


class Probing(RuleBasedStateMachine):
    """Any order of requests, answers, failures and hang-ups."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = breaker_of(SETTINGS)
        self.now = 1.0
        self.under_way: list[int] = []

    @rule(later=st.floats(0, 4))
    def time_passes(self, later: float) -> None:
        self.now += later

    @rule()
    def request(self) -> None:
        ticket = self.breaker.enter(self.now)
        if ticket:
            self.under_way.append(ticket)

    @precondition(lambda self: self.under_way)
    @rule(status=st.sampled_from([200, 404, 500, None]), data=st.data())
    def end(self, status: int | None, data: st.DataObject) -> None:
        ticket = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        if status is None:
            self.breaker.failed(ticket, self.now)
        else:
            self.breaker.answered(ticket, self.now, 0.1, status)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def hang_up(self, data: st.DataObject) -> None:
        self.breaker.abandoned(self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1))))

    @invariant()
    def probes_are_bounded_and_counted(self) -> None:
        if self.breaker.state is State.HALF_OPEN:
            newest = max(self.under_way, default=0)
            probes = self.under_way.count(newest) if self.breaker.probing else 0
            assert self.breaker.probing == probes <= SETTINGS.probes

    @invariant()
    def nothing_goes_while_it_is_open(self) -> None:
        if self.breaker.state is State.OPEN:
            assert not self.breaker.enter(self.now - 100)


TestProbing = Probing.TestCase
