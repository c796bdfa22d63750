"""Which endpoint gets a request: turns, weights, loads and keys."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from strangler.resilience.balancing import (
    ConsistentHash,
    LeastRequests,
    RoundRobin,
    WeightedRoundRobin,
    seed_of,
    warmth,
)


@dataclass(frozen=True)
class Server:
    """An endpoint as balancing sees it."""

    name: str
    busy: int = 0

    @property
    def seed(self) -> int:
        return seed_of(self.name)


def servers(count: int) -> list[Server]:
    return [Server(f"http://10.0.0.{number}:80") for number in range(count)]


@given(st.integers(1, 9), st.integers(0, 100))
def test_round_robin_gives_each_its_turn(count: int, turn: int) -> None:
    balancer = RoundRobin(servers(count), turn)
    chosen = Counter(balancer.choose(None).name for _ in range(count * 3))
    assert set(chosen.values()) == {3}


@given(st.lists(st.integers(1, 20), min_size=1, max_size=6))
def test_a_cycle_of_weighted_turns_gives_each_its_weight(weights: list[int]) -> None:
    balancer = WeightedRoundRobin(servers(len(weights)), weights)
    chosen = Counter(balancer.choose(None).name for _ in range(sum(weights)))
    assert [chosen[server.name] for server in servers(len(weights))] == weights


def test_weighted_turns_are_spread() -> None:
    balancer = WeightedRoundRobin([Server("a"), Server("b"), Server("c")], [5, 1, 1])
    assert "".join(balancer.choose(None).name for _ in range(7)) == "aabacaa"


def test_of_two_drawn_the_less_busy_is_taken() -> None:
    idle, busy = Server("idle", 1), Server("busy", 9)
    for first, second in ((0, 0), (1, 0)):
        drawn = iter((first, second))
        balancer = LeastRequests([idle, busy], [1, 1], lambda _, drawn=drawn: next(drawn))  # type: ignore[misc]
        assert balancer.choose(None) is idle


def test_a_heavy_endpoint_may_be_busier() -> None:
    drawn = iter((0, 0))
    heavy, light = Server("heavy", 5), Server("light", 2)
    assert LeastRequests([heavy, light], [4, 1], lambda _: next(drawn)).choose(None) is heavy


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.integers(2, 8))
def test_the_two_that_are_drawn_are_different(first: int, second: int, count: int) -> None:
    drawn = iter((first % count, second % (count - 1)))
    bounds: list[int] = []

    def draw(bound: int) -> int:
        bounds.append(bound)
        return next(drawn)

    among = [Server(str(number), busy=9 if number == first % count else 0) for number in range(count)]
    assert LeastRequests(among, [1] * count, draw).choose(None).name != str(first % count)
    assert bounds == [count, count - 1]


def hashing(among: list[Server], weights: list[float] | None = None) -> ConsistentHash[Server]:
    return ConsistentHash(among, weights or [1.0] * len(among), RoundRobin(among))


KEYS = [f"user-{number}" for number in range(4000)]


@given(st.integers(2, 8), st.data())
def test_one_endpoint_less_moves_only_its_own_keys(count: int, data: st.DataObject) -> None:
    all_of_them = servers(count)
    gone = data.draw(st.sampled_from(all_of_them))
    left = [server for server in all_of_them if server is not gone]
    before, after = hashing(all_of_them), hashing(left)
    moved = 0
    for key in KEYS[:500]:
        was = before.choose(key)
        if was is gone:
            moved += 1
        else:
            assert after.choose(key) is was
    assert 0 < moved < 500 * 2 / count


@given(st.permutations(servers(5)), st.text())
def test_the_order_of_endpoints_does_not_matter_to_a_key(order: list[Server], key: str) -> None:
    assert hashing(order).choose(key) == hashing(servers(5)).choose(key)


def test_the_choice_for_a_key_is_the_same_for_ever() -> None:
    assert [hashing(servers(4)).choose(key).name[-4] for key in KEYS[:8]] == list("20133020")


def test_each_endpoint_has_its_weight_of_the_keys() -> None:
    balancer = hashing(servers(3), [1.0, 1.0, 2.0])
    shares = Counter(balancer.choose(key).name for key in KEYS)
    for server, share in zip(servers(3), (0.25, 0.25, 0.5), strict=True):
        assert abs(shares[server.name] / len(KEYS) - share) < 0.03


def test_requests_without_a_key_take_turns() -> None:
    balancer = hashing(servers(3))
    assert len({balancer.choose(None).name for _ in range(3)}) == 3


def test_an_endpoint_warms_up() -> None:
    assert [warmth(age, 10.0) for age in (0.0, 0.5, 5.0, 10.0, 99.0)] == [0.1, 0.1, 0.5, 1.0, 1.0]
    assert warmth(0.0, 0.0) == 1.0
