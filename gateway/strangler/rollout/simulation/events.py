"""Failing callers of one step, up to the next moment in which the controller might act.

Between two such moments `advance` would change nothing, so that it need not be
called. The moments are found with the factors of the very tests that the gate
applies, and then it is `advance` that decides. They are: the rollback test
reaches its threshold, it has fallen so far that the next one begins, or a
promotion test reaches its own.

What makes hundreds of thousands of rollouts possible is that failing callers of
the legacy side are not drawn one by one. Callers fail as a Poisson process, and
each is on the extracted side with a probability θ that is `top` at most. So:

1. The number of callers until the next candidate for the extracted side is
   geometric with `top`. All before it are on the legacy side.
2. If they bring a test to its end, only those up to that one are taken. The
   draws that follow do not depend on what is left out, as neither the geometric
   distribution nor the Poisson process has a memory.
3. The time until the last of n callers is a gamma variate with n.
4. If that is beyond a limit in time, those before the limit are binomial: the
   other n − 1 lie uniformly in between.
5. The candidate is on the extracted side with θ/top, θ being that of its time.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass, field
from random import Random

from strangler.rollout.policy import RolloutPolicy
from strangler.rollout.record import RollbackTest
from strangler.rollout.simulation.traffic import CELLS, StepCells
from strangler.rollout.statistics.failing_callers import RATIOS, SideCounts, log_e_harmless
from strangler.rollout.statistics.known_rate import trials_to_show_below
from strangler.rollout.statistics.spending import RENEWED_AT, log_needed_to_promote, log_needed_to_roll_back

TIE = 1e-9
"""Boundaries are crossed by this much, as rounding here and in the gate may differ."""


@dataclass(slots=True)
class StepEvents:
    """A step under way: who has failed by traffic time `time`. `exhausted` is set when no caller is left."""

    policy: RolloutPolicy
    share: float
    cells: StepCells
    random: Random
    extracted: int = 0
    control: int = 0
    time: float = 0.0
    exhausted: bool = False
    _due: float = 0.0
    _cell: int = 0
    _products: list[float] = field(default_factory=list)
    _harmless: float = 0.0

    @property
    def seen(self) -> int:
        """Callers who have come on the extracted side: those of the cells that have ended."""
        return self.cells.seen[self._cell - 1] if self._cell else 0

    def run(self, test: RollbackTest, until: float = math.inf, *, promotes: bool = True) -> None:
        """Go on to the next moment in which the controller might act, or to the traffic time `until`.

        `test` is the present rollback test. Without `promotes` the promotion tests are left out.
        """
        policy, random = self.policy, self.random
        bounds = _Bounds(policy, self.share, test.number, promotes)
        self._begin(bounds, test)
        top = max(self.cells.extracted)
        log_other = math.log1p(-top)
        while True:
            others = int(math.log(1 - random.random()) / log_other)
            ends = bounds.ending(self._products, self._harmless, others)
            number = others + 1 if ends is None else ends
            if not self._go_on(number, self._limit(bounds, until)):
                return
            if ends is not None:
                self._count_control(bounds, ends)
                return
            self._count_control(bounds, others)
            if random.random() * top < self.cells.extracted[self._cell]:
                self.extracted += 1
                self._harmless += bounds.harmless_up
                self._products = [product * up for product, up in zip(self._products, bounds.up, strict=True)]
                if sum(self._products) >= bounds.worst:
                    return
            else:
                self._count_control(bounds, 1)
                if bounds.has_ended(self._products, self._harmless):
                    return

    def _begin(self, bounds: _Bounds, test: RollbackTest) -> None:
        extracted, control = self.extracted - test.extracted, self.control - test.control
        self._products = [
            math.exp(extracted * math.log(up) + control * math.log(down))
            for up, down in zip(bounds.up, bounds.down, strict=True)
        ]
        self._harmless = self.extracted * bounds.harmless_up + self.control * bounds.harmless_down

    def _count_control(self, bounds: _Bounds, number: int) -> None:
        self.control += number
        self._harmless += number * bounds.harmless_down
        self._products = [product * down**number for product, down in zip(self._products, bounds.down, strict=True)]

    def _limit(self, bounds: _Bounds, until: float) -> float:
        """The traffic time at which enough callers have come without failing, or `until`."""
        if bounds.floor is None:
            return until
        needed = trials_to_show_below(self.extracted, bounds.floor, bounds.to_promote)
        cell = bisect_left(self.cells.seen, needed)
        return min(until, self.cells.ends[cell]) if cell < CELLS else until

    def _go_on(self, number: int, limit: float) -> bool:
        """Let `number` callers fail; False if the limit comes first, with those before it counted as control."""
        failing, ends = self.cells.failing, self.cells.ends
        due = self._due + self.random.gammavariate(number, 1.0)
        cell = bisect_left(failing, due, lo=self._cell)
        time = self._time_of(cell, due) if cell < CELLS else ends[-1]
        if cell < CELLS and time < limit:
            self._due, self._cell, self.time = due, cell, time
            return True
        if limit > ends[-1]:
            limit, self.exhausted = ends[-1], True
        last = bisect_left(ends, limit)
        at_limit = max(self._due, self._failing_by(last, limit))
        before = (at_limit - self._due) / (due - self._due)
        self.control += sum(self.random.random() < before for _ in range(number - 1))
        # A cell that ends at the limit has ended.
        self._due, self.time = at_limit, max(self.time, limit)
        self._cell = min(CELLS - 1, last + 1 if ends[last] <= limit else last)
        return False

    def _time_of(self, cell: int, due: float) -> float:
        """The traffic time at which `due` callers have failed, which lies in the cell."""
        start, before = self._start(cell)
        width = self.cells.failing[cell] - before
        return start + (due - before) / width * (self.cells.ends[cell] - start) if width > 0 else start

    def _failing_by(self, cell: int, time: float) -> float:
        """How many callers have failed by the time, which lies in the cell."""
        start, before = self._start(cell)
        part = (time - start) / (self.cells.ends[cell] - start)
        return before + part * (self.cells.failing[cell] - before)

    def _start(self, cell: int) -> tuple[float, float]:
        return (self.cells.ends[cell - 1], self.cells.failing[cell - 1]) if cell else (0.0, 0.0)


class _Bounds:
    """What a failing caller on each side does to the tests of the gate, and where these end."""

    def __init__(self, policy: RolloutPolicy, share: float, test: int, promotes: bool) -> None:
        self.up, self.down = side_factors(share)
        self.harmless_up = log_e_harmless((SideCounts(1, 0, share),), policy.harmful_ratio)
        self.harmless_down = log_e_harmless((SideCounts(0, 1, share),), policy.harmful_ratio)
        self.worst = len(RATIOS) * math.exp(log_needed_to_roll_back(policy.alpha, policy.tested_gates, test) + TIE)
        self.best = len(RATIOS) * math.exp(RENEWED_AT - TIE)
        self.floor = policy.floor if promotes else None
        # The gate looks at the mean of both promotion tests: here either has to reach it alone.
        half = 0.0 if policy.floor is None else math.log(2)
        self.to_promote = log_needed_to_promote(policy.beta) + half + TIE if promotes else math.inf

    def has_ended(self, products: list[float], harmless: float) -> bool:
        """Whether a caller on the legacy side may have ended a test."""
        return harmless >= self.to_promote or sum(products) <= self.best

    def ending(self, products: list[float], harmless: float, others: int) -> int | None:
        """Which of the next `others` callers on the legacy side ends a test; None if none does."""
        enough = math.inf
        if self.to_promote < math.inf:
            enough = max(1, math.ceil((self.to_promote - harmless) / self.harmless_down))
        few, many = 0, int(min(others, enough))
        if many < 1 or self._sum(products, many) > self.best:
            return many if enough <= others else None
        while many - few > 1:
            middle = (few + many) // 2
            few, many = (few, middle) if self._sum(products, middle) <= self.best else (middle, many)
        return many

    def _sum(self, products: list[float], number: int) -> float:
        return sum(product * down**number for product, down in zip(products, self.down, strict=True))


def side_factors(share: float) -> tuple[list[float], list[float]]:
    """What a failing caller on the extracted and on the legacy side multiplies the products of E_worse by."""
    normal = [1 + share * (ratio - 1) for ratio in RATIOS]
    return [ratio / each for ratio, each in zip(RATIOS, normal, strict=True)], [1 / each for each in normal]
