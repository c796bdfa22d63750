"""Which endpoint gets a request.

- Round robin takes turns; with weights it is the smooth kind, which spreads the
  turns of a heavy endpoint instead of giving them in a row.
- Least requests draws two endpoints and takes the less busy one. Two choices
  are nearly as good as looking at all, and workers that can't see each other's
  requests don't all run to the same one (Mitzenmacher 2001, "The Power of Two
  Choices in Randomized Load Balancing").
- Consistent hashing gives the same key the same endpoint. It is the rendezvous
  kind (Thaler and Ravishankar 1998): every endpoint has a score for the key and
  the highest wins, so one endpoint more or less moves only the keys of that one.

An endpoint that comes back starts slowly: its weight grows from a tenth to the
whole over the slow start, because caches and pools behind it are cold.
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
    """What is chosen: `seed` tells it from others in hashing, `busy` are its requests under way."""

    @property
    def seed(self) -> int: ...

    @property
    def busy(self) -> int: ...


T = TypeVar("T", bound=Target)


def warmth(age: float, slow_start: float) -> float:
    """The part of its weight that an endpoint has which came back `age` seconds ago: 0.1 to 1."""
    return 1.0 if age >= slow_start else max(COLD, age / slow_start)


def seed_of(url: str) -> int:
    """The number by which an endpoint takes part in consistent hashing: the same everywhere and for ever."""
    return int.from_bytes(blake2b(url.encode(), digest_size=8).digest(), "big")


class RoundRobin(Generic[T]):
    """Each in its turn, beginning after `turn`."""

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
    """Each as often as its weight says, evenly spread.

    Every choice raises all by their weight, takes the highest and lowers it by
    the sum of the weights.
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
    """Of two drawn ones the one with fewer requests for its weight.

    `draw` returns a whole number from 0 to below its argument.
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
    """The same one for the same key; requests without a key go to `otherwise`."""

    __slots__ = ("_otherwise", "_targets", "_weights")

    def __init__(self, targets: Sequence[T], weights: Sequence[float], otherwise: RoundRobin[T]) -> None:
        self._targets = targets
        self._weights = list(weights)
        self._otherwise = otherwise

    def choose(self, key: str | None) -> T:
        """The one that `key` belongs to.

        The score of a weighted endpoint is -weight / ln(hash) with the hash
        between 0 and 1 (Schindelhauer and Schomaker 2005), which gives each its
        share of the keys and still moves no key between two that stay.
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
    """All 64 bits of `number` spread over all 64 bits (the finalizer of SplitMix64, Steele et al. 2014)."""
    number = (number ^ (number >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    number = (number ^ (number >> 27)) * 0x94D049BB133111EB & _MASK
    return number ^ (number >> 31)
