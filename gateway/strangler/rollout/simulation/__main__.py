"""Simulate rollouts under the default policy: `python -m strangler.rollout.simulation --runs 10000 --ratio 1 5`."""

from __future__ import annotations

import argparse

from strangler.rollout.policy import RolloutPolicy
from strangler.rollout.results import duration
from strangler.rollout.simulation.figures import SimulatedFigures, simulate
from strangler.rollout.simulation.traffic import Traffic


def main() -> None:
    """Print the figures."""
    arguments = argparse.ArgumentParser(prog="strangler.rollout.simulation", description=__doc__)
    arguments.add_argument("--runs", type=int, default=1000, help="rollouts of each release")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument(
        "--ratio", type=float, nargs="+", default=[1.0, 5.0], help="failing callers, by the legacy's"
    )
    arguments.add_argument("--callers", type=int, default=1_000_000)
    arguments.add_argument("--base-rate", type=float, default=0.01, help="share of the callers who always fail")
    chosen = arguments.parse_args()
    traffic = Traffic(callers=chosen.callers, always_failing=chosen.base_rate)
    for ratio in chosen.ratio:
        print("\n".join(lines(simulate(RolloutPolicy(), traffic, ratio, chosen.runs, chosen.seed))))


def lines(figures: SimulatedFigures) -> list[str]:
    """The figures for people."""
    runs, exposed = figures.runs, figures.exposed
    rolled_back, moved, still_open = (number / runs for number in (figures.rolled_back, figures.moved, figures.open))
    return [
        f"{figures.ratio:g} times as many failing callers, {runs} rollouts, seed {figures.seed}",
        f"  rolled back {rolled_back:.3%}, moved {moved:.3%}, open {still_open:.3%}",
        f"  promoted beyond the first share {figures.promoted / runs:.3%}",
        f"  callers on the extracted side: mean {exposed.mean:.3%}, in 99.9 % of the rollouts {exposed.nearly_all:.3%},"
        f" at most 1 % in {figures.within:.2%}",
        *(
            f"  {percent:g} %: mean {duration(each.mean)}, 99.9 % {duration(each.nearly_all)}"
            for percent, each in figures.seconds.items()
        ),
    ]


if __name__ == "__main__":
    main()
