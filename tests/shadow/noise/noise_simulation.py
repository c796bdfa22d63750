"""Noise learned from made-up traffic: how soon, and what passes. Everything is in memory and drawn from a seed.

`python -m tests.shadow.noise.noise_simulation` prints the figures of `docs/shadow.md`.
"""

from __future__ import annotations

import json
import random
import statistics
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from strangler.comparison.compare import compare
from strangler.comparison.difference import Difference
from strangler.comparison.response import Response
from strangler.config.compile.compare import DEFAULT_RULES
from strangler.model.shadow import Shadow
from strangler.shadow.noise.judgement import Judgement
from strangler.shadow.noise.noise import Noise

OPERATION = "GET /items/{id}"
LEARNING = Shadow().noise_learning_percent

Side = Callable[["Moment"], Any]


@dataclass(slots=True)
class Moment:
    """A request, as the two sides see it: its number, the time, chance, and what either side said before."""

    number: int
    at: datetime
    chance: random.Random
    legacy: list[Any] = field(default_factory=list)
    counters: dict[str, int] = field(default_factory=dict)

    def count(self, name: str) -> int:
        """The next number of a counter."""
        self.counters[name] = self.counters.get(name, 0) + 1
        return self.counters[name]


@dataclass(slots=True)
class Outcome:
    """What became of the pairs: those in which something other than noise was left, by number, and what was learned."""

    mismatched: list[int]
    asked_twice: int
    noise: Noise

    def since(self, number: int) -> int:
        """Pairs with a mismatch from a number on."""
        return sum(1 for mismatched in self.mismatched if mismatched >= number)


def differences(one: Any, other: Any) -> tuple[Difference, ...]:
    """What two JSON documents differ in."""
    responses = [
        Response(200, ((b"content-type", b"application/json"),), json.dumps(value).encode()) for value in (one, other)
    ]
    return compare(*responses, DEFAULT_RULES).differences


def simulate(
    legacy: Side,
    candidate: Side,
    pairs: int,
    seed: int = 1,
    percent: float = 1,
    learning_percent: float = LEARNING,
    noise: Noise | None = None,
) -> Outcome:
    """So many requests: the candidate is asked 5 ms after legacy, and both once more after some 30 ms where drawn."""
    chance = random.Random(seed)
    noise = noise or Noise(source=random.Random(seed + 1))
    said: list[Any] = []
    counters: dict[str, int] = {}
    at = datetime(2026, 3, 1, 10, tzinfo=UTC)
    outcome = Outcome([], 0, noise)
    for number in range(pairs):
        at += timedelta(seconds=chance.expovariate(20))

        def moment(after: float, number: int = number, at: datetime = at) -> Moment:
            return Moment(number, at + timedelta(seconds=after), chance, said, counters)

        first = legacy(moment(0)), candidate(moment(0.005))
        found = differences(*first)
        noise.compared(OPERATION, found, at.timestamp())
        if noise.sift(OPERATION, found).rest:
            outcome.mismatched.append(number)
        if noise.asks(OPERATION, percent, learning_percent):
            outcome.asked_twice += 1
            later = chance.uniform(0.01, 0.05)
            again = legacy(moment(later)), candidate(moment(later))
            noise.asked_twice(OPERATION, differences(first[0], again[0]), found, differences(first[1], again[1]))
        said.append(first[0])
        del said[:-2]
    return outcome


def learned_after(volatility: float, percent: float, learning_percent: float, seed: int, most: int) -> int | None:
    """After how many pairs a field is noise that two responses of legacy differ in with that probability."""
    noise = Noise(source=random.Random(seed))
    chance = random.Random(seed + 1)

    def draw() -> tuple[Difference, ...]:
        return CHANGED if chance.random() < volatility else ()

    for number in range(most):
        found = draw()
        noise.compared(OPERATION, found)
        if noise.asks(OPERATION, percent, learning_percent):
            noise.asked_twice(OPERATION, draw(), found, draw())
            if noise.judgement(OPERATION, "value $.token") is Judgement.NOISE:
                return number + 1
    return None


CHANGED = differences({"token": "d2f1c0a98b7e"}, {"token": "04c1e7f2ab39"})


def uuid_of(chance: random.Random) -> str:
    """A random UUID."""
    return str(uuid.UUID(int=chance.getrandbits(128), version=4))


def main() -> None:
    """Print how many pairs learning needs."""
    print("| legacy differs from itself in | `noise_percent: 1` | `10` | `1`, never more | `10`, never more |")
    print("|---|---|---|---|---|")
    for volatility in (1.0, 0.75, 0.5, 0.25, 0.1):
        cells = []
        for percent, learning in ((1, LEARNING), (10, LEARNING), (1, 1), (10, 10)):
            runs = [learned_after(volatility, percent, learning, seed, 60_000) for seed in range(0, 60, 2)]
            found = sorted(run if run is not None else 60_000 for run in runs)
            cells.append(f"{statistics.median(found):,.0f} ({found[27]:,})")
        print(f"| {volatility:.0%} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
