"""The sum of many simulated rollouts: error probabilities, durations, and callers exposed to a bad release."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from strangler.rollout.policy import RolloutPolicy
from strangler.rollout.simulation.play import Played, play, played_policy
from strangler.rollout.simulation.traffic import Traffic
from strangler.rollout.states import RolloutState

EXPOSED_AT_MOST = 0.01


@dataclass(frozen=True, slots=True)
class DurationSpread:
    """Some numbers: their mean, the middle one, the one that 99.9 % do not exceed, and the largest."""

    mean: float
    median: float
    nearly_all: float
    largest: float


@dataclass(frozen=True, slots=True)
class SimulatedFigures:
    """The results of `runs` rollouts of a release that fails `ratio` times as many callers as the legacy side.

    `promoted` went beyond the first share, `moved` to all callers, `open` did
    neither roll back nor finish. `within` is the share of the runs in which at most
    1 % of all callers were on the extracted side. `seconds` are the durations of
    the steps that ended, by percentage.
    """

    runs: int
    seed: int
    ratio: float
    rolled_back: int
    promoted: int
    moved: int
    open: int
    exposed: DurationSpread
    within: float
    seconds: dict[float, DurationSpread]


def simulate(policy: RolloutPolicy, traffic: Traffic, ratio: float, runs: int, seed: int) -> SimulatedFigures:
    """Play `runs` rollouts; the same seed plays the same ones."""
    random, policy = Random(seed), played_policy(policy)
    return summed(policy, ratio, seed, [play(policy, traffic, ratio, random) for _ in range(runs)])


def summed(policy: RolloutPolicy, ratio: float, seed: int, played: Sequence[Played]) -> SimulatedFigures:
    """The figures of rollouts that were played."""
    runs = len(played)
    shares = [percent for percent in policy.steps if percent > 0]
    return SimulatedFigures(
        runs=runs,
        seed=seed,
        ratio=ratio,
        rolled_back=sum(each.state is RolloutState.ROLLED_BACK for each in played),
        promoted=sum(each.reached > shares[0] or each.state is RolloutState.WATCHING for each in played),
        moved=sum(each.state is RolloutState.WATCHING for each in played),
        open=sum(each.state not in (RolloutState.ROLLED_BACK, RolloutState.WATCHING) for each in played),
        exposed=spread([each.exposed for each in played]),
        within=sum(each.exposed <= EXPOSED_AT_MOST for each in played) / runs,
        seconds={percent: _durations(percent, played) for percent in shares if _ended(percent, played)},
    )


def spread(numbers: Sequence[float]) -> DurationSpread:
    """The spread of at least one number."""
    ordered = sorted(numbers)
    nearly_all = ordered[min(len(ordered) - 1, int(0.999 * len(ordered)))]
    return DurationSpread(sum(ordered) / len(ordered), ordered[len(ordered) // 2], nearly_all, ordered[-1])


def _ended(percent: float, played: Sequence[Played]) -> bool:
    return any(percent in each.seconds for each in played)


def _durations(percent: float, played: Sequence[Played]) -> DurationSpread:
    return spread([each.seconds[percent] for each in played if percent in each.seconds])
