"""Which endpoint gets a request.

- Round robin takes turns; with weights it is smooth weighted round robin, which
  spreads the turns of a heavy endpoint instead of grouping them.
- Least requests draws two endpoints and takes the less busy one. Two choices
  are nearly as good as examining all, and workers that can't see each other's
  requests don't all pick the same one (Mitzenmacher 2001, "The Power of Two
  Choices in Randomized Load Balancing").
- Consistent hashing maps the same key to the same endpoint. It is rendezvous
  hashing (Thaler and Ravishankar 1998): every endpoint has a score for the key
  and the highest wins, so adding or removing an endpoint moves only its own keys.

An endpoint that recovers starts slowly: its weight grows from a tenth to the
full value over the slow start, because its caches and pools are cold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from math import log
from typing import Generic, Protocol, TypeVar

COLD = 0.1

_MASK = (1 << 64) - 1
_SPAN = float(1 << 64)


class Target(Protocol):
    """A candidate endpoint: `seed` identifies it in hashing, `busy` is the number of its active requests."""

    @property
    def seed(self) -> int: ...

    @property
    def busy(self) -> int: ...


T = TypeVar("T", bound=Target)


def warmth(age: float, slow_start: float) -> float:
    """Return the share of its weight that an endpoint has `age` seconds after it recovered: 0.1 to 1."""
    return 1.0 if age >= slow_start else max(COLD, age / slow_start)


def seed_of(url: str) -> int:
    """Return an endpoint's number for consistent hashing: the same in every process and every version."""
    return int.from_bytes(blake2b(url.encode(), digest_size=8).digest(), "big")


class RoundRobin(Generic[T]):
    """Plain round robin, starting after position `turn`."""

    __slots__ = ("_targets", "_turn")

    def __init__(self, targets: Sequence[T], turn: int = 0) -> None:
        self._targets = targets
        self._turn = turn % len(targets)

    def choose(self, key: str | None) -> T:
        """The next one."""
        turn = self._turn + 1
        self._turn = turn = turn if turn < len(self._targets) else 0
        return self._targets[turn]


class WeightedRoundRobin(Generic[T]):
    """Smooth weighted round robin.

    Every choice raises each endpoint by its weight, takes the highest and lowers
    that one by the sum of the weights.
    """

    __slots__ = ("_current", "_targets", "_weights")

    def __init__(self, targets: Sequence[T], weights: Sequence[float]) -> None:
        self._targets = targets
        self._weights = list(weights)
        self._current = [0.0] * len(targets)

    def reweigh(self, weights: Sequence[float]) -> None:
        """Go on with other weights."""
        self._weights = list(weights)

    def choose(self, key: str | None) -> T:
        """The next one."""
        current = self._current
        best = 0
        for place, weight in enumerate(self._weights):
            current[place] += weight
            if current[place] > current[best]:
                best = place
        current[best] -= sum(self._weights)
        return self._targets[best]


class LeastRequests(Generic[T]):
    """Draw two endpoints, and take the one with fewer requests relative to its weight.

    `draw` returns an integer from 0 up to, but not including, its argument.
    """

    __slots__ = ("_draw", "_targets", "_weights")

    def __init__(self, targets: Sequence[T], weights: Sequence[float], draw: Callable[[int], int]) -> None:
        self._targets = targets
        self._weights = list(weights)
        self._draw = draw

    def reweigh(self, weights: Sequence[float]) -> None:
        """Go on with other weights."""
        self._weights = list(weights)

    def choose(self, key: str | None) -> T:
        """The next one."""
        targets, weights = self._targets, self._weights
        first = self._draw(len(targets))
        if len(targets) == 1:
            return targets[first]
        second = self._draw(len(targets) - 1)
        second += second >= first
        load_of_first = (targets[first].busy + 1) / weights[first]
        load_of_second = (targets[second].busy + 1) / weights[second]
        return targets[first if load_of_first <= load_of_second else second]


class ConsistentHash(Generic[T]):
    """Map the same key to the same endpoint; `otherwise` chooses for requests without a key."""

    __slots__ = ("_otherwise", "_targets", "_weights")

    def __init__(self, targets: Sequence[T], weights: Sequence[float], otherwise: RoundRobin[T]) -> None:
        self._targets = targets
        self._weights = list(weights)
        self._otherwise = otherwise

    def choose(self, key: str | None) -> T:
        """Return the endpoint that `key` maps to.

        The score of a weighted endpoint is -weight / ln(hash) with the hash
        between 0 and 1 (Schindelhauer and Schomaker 2005), which gives each its
        share of the keys and never moves a key between two remaining endpoints.
        """
        if key is None:
            return self._otherwise.choose(None)
        hashed = int.from_bytes(blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
        best, highest = self._targets[0], -1.0
        for target, weight in zip(self._targets, self._weights, strict=True):
            score = -weight / log((_mixed(hashed ^ target.seed) + 0.5) / _SPAN)
            if score > highest:
                best, highest = target, score
        return best


def _mixed(number: int) -> int:
    """Mix the 64 bits of `number` (the finalizer of SplitMix64, Steele et al. 2014)."""
    number = (number ^ (number >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    number = (number ^ (number >> 27)) * 0x94D049BB133111EB & _MASK
    return number ^ (number >> 31)
