"""When a sequential test of Bernoulli trials ends, and how: exact, by dynamic programming.

The state is the number of successes among n trials, with its probability. Each
trial moves the probabilities, and takes away what has reached a boundary. A
test is two boundaries for each n: it promotes at few successes and rolls back
at many.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Boundary = Callable[[int, int], bool]
"""Whether a number of successes in a number of trials is beyond the boundary; monotonic in the successes."""

NEGLIGIBLE = 1e-12
LONGEST = 1_000_000


@dataclass(frozen=True, slots=True)
class Stopping:
    """The probability that a test ends at trial n by promoting and by rolling back; index 0 is trial 1."""

    promoting: tuple[float, ...]
    rolling_back: tuple[float, ...]

    @property
    def promoted(self) -> float:
        """The probability that the test ends by promoting."""
        return sum(self.promoting)

    @property
    def rolled_back(self) -> float:
        """The probability that the test ends by rolling back."""
        return sum(self.rolling_back)

    @property
    def ending(self) -> tuple[float, ...]:
        """The probability that the test ends at trial n, either way."""
        return tuple(map(sum, zip(self.promoting, self.rolling_back, strict=True)))

    @property
    def mean(self) -> float:
        """The mean number of trials."""
        return sum(trial * probability for trial, probability in enumerate(self.ending, 1))

    def ended_by(self, probability: float) -> int:
        """The number of trials by which the test has ended with at least this probability."""
        total = 0.0
        for trial, ends in enumerate(self.ending, 1):
            total += ends
            if total >= probability:
                return trial
        return len(self.promoting)


def stopping(success: float, promotes: Boundary, rolls_back: Boundary) -> Stopping:
    """How a test with these boundaries ends if each trial is a success with probability `success`.

    Raises ValueError where it goes on for a million trials.
    """
    promoting: list[float] = []
    rolling_back: list[float] = []
    # Between the boundaries: `alive[i]` is the probability of `low + 1 + i` successes.
    low, high, alive = -1, 1, [1.0]
    for trial in range(1, LONGEST + 1):
        moved = [0.0] * (len(alive) + 1)
        for index, probability in enumerate(alive):
            moved[index] += probability * (1 - success)
            moved[index + 1] += probability * success
        first = low + 1
        while promotes(low + 1, trial):
            low += 1
        while high <= trial and not rolls_back(high, trial):
            high += 1
        below, above = max(0, low + 1 - first), max(0, high - first)
        promoting.append(sum(moved[:below]))
        rolling_back.append(sum(moved[max(above, below) :]))
        alive = moved[below:above]
        if sum(alive) < NEGLIGIBLE:
            return Stopping(tuple(promoting), tuple(rolling_back))
    raise ValueError(f"the test has not ended after {LONGEST} trials")
