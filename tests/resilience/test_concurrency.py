"""The concurrency limit: who goes, who waits, who is refused."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from strangler.model.resilience import Concurrency
from strangler.resilience.concurrency import ConcurrencyLimit


def test_those_beyond_the_limit_wait_and_those_beyond_the_queue_are_refused() -> None:
    limit: ConcurrencyLimit[str] = ConcurrencyLimit(Concurrency(2, queue=1))
    assert [limit.enter() for _ in range(3)] == [True, True, False]
    assert limit.wait("third")
    assert not limit.wait("fourth")


def test_who_waits_longest_goes_next() -> None:
    limit: ConcurrencyLimit[str] = ConcurrencyLimit(Concurrency(1))
    limit.enter()
    for name in ("first", "second"):
        limit.wait(name)
    assert [limit.leave(), limit.leave(), limit.leave()] == ["first", "second", None]
    assert limit.running == 0


def test_who_gave_up_does_not_get_a_turn() -> None:
    limit: ConcurrencyLimit[str] = ConcurrencyLimit(Concurrency(1))
    limit.enter()
    limit.wait("gone")
    limit.wait("here")
    limit.forget("gone")
    assert limit.leave() == "here"


class Queueing(RuleBasedStateMachine):
    """Any order of requests coming, ending and giving up."""

    def __init__(self) -> None:
        super().__init__()
        self.limit: ConcurrencyLimit[int] = ConcurrencyLimit(Concurrency(3, queue=2))
        self.running = 0
        self.waiting: list[int] = []
        self.next = 1000

    @rule()
    def request(self) -> None:
        self.next += 1
        if self.limit.enter():
            self.running += 1
        elif self.limit.wait(self.next):
            self.waiting.append(self.next)

    @precondition(lambda self: self.running)
    @rule()
    def end(self) -> None:
        follower = self.limit.leave()
        if follower is None:
            self.running -= 1
        else:
            assert follower == self.waiting.pop(0)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        gone = self.waiting.pop(data.draw(st.integers(0, len(self.waiting) - 1)))
        self.limit.forget(gone)

    @invariant()
    def bounds_hold(self) -> None:
        assert self.limit.running == self.running <= 3
        assert self.limit.waiting == len(self.waiting) <= 2


TestQueueing = Queueing.TestCase
