"""Failing callers of one step, one after the other, up to the next moment in which the controller might act.

Between two such moments `advance` would change nothing, so that it need not be
called: that makes hundreds of thousands of rollouts possible. The moments are
found with the factors of the same tests that the gate applies, and then it is
`advance` that decides. They are: the rollback test reaches its threshold, it has
fallen so far that the next one begins, or the promotion test reaches its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

from strangler.rollout.policy import Policy
from strangler.rollout.record import RollbackTest
from strangler.rollout.simulation.traffic import CELLS, StepCells
from strangler.rollout.statistics.failing_callers import RATIOS, SideCounts, log_e_harmless
from strangler.rollout.statistics.known_rate import log_e_below
from strangler.rollout.statistics.spending import RENEWED_AT, log_needed_to_promote, log_needed_to_roll_back

TIE = 1e-9
"""Boundaries are crossed by a little, lest rounding here and in the gate differ."""


@dataclass(slots=True)
class StepEvents:
    """A step under way: who has failed so far, at which traffic time. `exhausted` is set when no caller is left."""

    policy: Policy
    share: float
    cells: StepCells
    random: Random
    extracted: int = 0
    control: int = 0
    exhausted: bool = False
    _due: float = 0.0
    _cell: int = 0
    _time: float = 0.0
    _pending: bool = False

    @property
    def time(self) -> float:
        """Traffic time since the step began."""
        return self._time

    @property
    def seen(self) -> int:
        """Callers who have come on the extracted side: those of the cells that have ended."""
        return self.cells.seen[self._cell - 1] if self._cell else 0

    def run(self, test: RollbackTest, until: float = math.inf, *, promotes: bool = True) -> None:
        """Go on to the next moment in which the controller might act, or to the traffic time `until`.

        `test` is the present rollback test. Without `promotes` the promotion test is left out.
        """
        policy, draw, share = self.policy, self.random.random, self.share
        needed = log_needed_to_roll_back(policy.alpha, policy.tested_gates, test.number)
        worst, best = len(RATIOS) * math.exp(needed + TIE), len(RATIOS) * math.exp(RENEWED_AT - TIE)
        to_promote = self._to_promote() if promotes else math.inf
        up, down = side_factors(share)
        harmful_up = log_e_harmless((SideCounts(1, 0, share),), policy.harmful_ratio)
        harmful_down = log_e_harmless((SideCounts(0, 1, share),), policy.harmful_ratio)
        harmless = self.extracted * harmful_up + self.control * harmful_down
        products = self._products(test)
        while self._next_event(until, to_promote):
            if draw() < self.cells.extracted[self._cell]:
                self.extracted += 1
                harmless += harmful_up
                products = [product * factor for product, factor in zip(products, up, strict=True)]
                if sum(products) >= worst:
                    return
            else:
                self.control += 1
                harmless += harmful_down
                products = [product * factor for product, factor in zip(products, down, strict=True)]
                if sum(products) <= best or harmless >= to_promote:
                    return

    def _next_event(self, until: float, to_promote: float) -> bool:
        """Go to the next failing caller; False if something else comes first."""
        if not self._pending:
            self._due -= math.log(1 - self.random.random())
            self._pending = True
        failing = self.cells.failing
        while failing[self._cell] < self._due:
            if self.cells.ends[self._cell] >= until:
                self._time = until
                return False
            self._time = self.cells.ends[self._cell]
            if self._cell == CELLS - 1:
                self.exhausted = True
                return False
            self._cell += 1
            if self._log_below_floor() >= to_promote:
                return False
        time = self._time_of(self._due)
        if time >= until:
            self._time = until
            return False
        self._time = max(self._time, time)
        self._pending = False
        return True

    def _time_of(self, due: float) -> float:
        """The traffic time at which `due` callers have failed, within the present cell."""
        cell, cells = self._cell, self.cells
        start, before = (cells.ends[cell - 1], cells.failing[cell - 1]) if cell else (0.0, 0.0)
        width = cells.failing[cell] - before
        part = (due - before) / width if width > 0 else 1.0
        return start + part * (cells.ends[cell] - start)

    def _log_below_floor(self) -> float:
        if self.policy.floor is None:
            return -math.inf
        return log_e_below(self.extracted, max(self.seen, self.extracted), self.policy.floor)

    def _to_promote(self) -> float:
        """What either promotion test has to reach alone; the gate sees their mean, which may be enough sooner."""
        half = 0.0 if self.policy.floor is None else math.log(2)
        return log_needed_to_promote(self.policy.beta) + half + TIE

    def _products(self, test: RollbackTest) -> list[float]:
        up, down = side_factors(self.share)
        extracted, control = self.extracted - test.extracted, self.control - test.control
        return [
            math.exp(extracted * math.log(high) + control * math.log(low)) for high, low in zip(up, down, strict=True)
        ]


def side_factors(share: float) -> tuple[list[float], list[float]]:
    """What a failing caller on each side multiplies the four products of E_worse by."""
    normal = [1 + share * (ratio - 1) for ratio in RATIOS]
    return [ratio / each for ratio, each in zip(RATIOS, normal, strict=True)], [1 / each for each in normal]
