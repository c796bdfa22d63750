"""`make rollout-figures`: many simulated rollouts by the controller's own `advance`, and what has to come out.

The clock is simulated. Callers differ a lot in activity (log-normal, σ 1.5),
their traffic has a daily wave of 70 %, with it the rate of failing callers, and
1 % of them always fail. The table goes into docs/rollout.md, with date and seed;
the exit code is 1 where a limit of the product is not kept.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from strangler.rollout.policy import RolloutPolicy
from strangler.rollout.results import duration
from strangler.rollout.simulation.figures import SimulatedFigures, summed
from strangler.rollout.simulation.play import Played, play, played_policy
from strangler.rollout.simulation.traffic import Traffic

ROOT = Path(__file__).parents[2]
BEGIN, END = "<!-- rollout figures -->", "<!-- end of rollout figures -->"
CHUNK = 1000
GOOD, BAD = 1.0, 5.0
OTHERS = (2.0, 3.0, 8.0)
"""Releases about which nothing is promised: a tenth of the rollouts is enough to show them."""


@dataclass(frozen=True)
class Limit:
    """What the product promises, and what was found."""

    promise: str
    found: float
    kept: bool


def played(ratio: float, runs: int, seed: int, processes: int) -> list[Played]:
    """So many rollouts; the same seed plays the same ones, by however many processes."""
    chunks = [(ratio, min(CHUNK, runs - first), seed, first) for first in range(0, runs, CHUNK)]
    if processes == 1:
        return [each for chunk in chunks for each in _played(chunk)]
    with ProcessPoolExecutor(processes) as pool:
        return [each for found in pool.map(_played, chunks) for each in found]


def _played(chunk: tuple[float, int, int, int]) -> list[Played]:
    ratio, runs, seed, first = chunk
    random, policy = Random(f"{seed} {ratio:g} {first}"), played_policy(RolloutPolicy())
    return [play(policy, Traffic(), ratio, random) for _ in range(runs)]


def limits(good: SimulatedFigures, bad: SimulatedFigures) -> list[Limit]:
    """The promises about a good and a bad release."""
    rolled_back, promoted = good.rolled_back / good.runs, bad.promoted / bad.runs
    return [
        Limit("a good release is rolled back in at most 1 %", rolled_back, rolled_back <= 0.01),
        Limit("one that fails five times as many callers is promoted in at most 0.1 %", promoted, promoted <= 0.001),
        Limit("at most 1 % of all callers meet it, in at least 99.9 %", bad.within, bad.within >= 0.999),
    ]


COLUMNS = (
    "fails callers",
    "rollouts",
    "rolled back",
    "promoted beyond 1 %",
    "moved to all",
    "met by, mean",
    "met by, in 99.9 %",
    "time at 1 %, mean",
    "time at 1 %, in 99.9 %",
)


def table(found: list[SimulatedFigures]) -> Iterator[str]:
    """The figures as a table in Markdown."""
    yield f"| {' | '.join(COLUMNS)} |\n"
    yield "|---" * len(COLUMNS) + "|\n"
    for each in found:
        first, exposed = each.seconds[1.0], each.exposed
        cells = (
            f"{each.ratio:g} times as many",
            f"{each.runs:,}",
            *(_percent(number, each) for number in (each.rolled_back, each.promoted, each.moved)),
            f"{exposed.mean * 100:.3f} %",
            f"{exposed.nearly_all * 100:.3f} %",
            duration(first.mean),
            duration(first.nearly_all),
        )
        yield f"| {' | '.join(cells)} |\n"


def page_text(found: list[SimulatedFigures], kept: list[Limit]) -> str:
    """What stands between the marks."""
    traffic = Traffic()
    return (
        f"Simulated rollouts by the default policy, seed {found[0].seed}, on {datetime.now(UTC):%Y-%m-%d};"
        f" {traffic.callers:,} callers of very different activity, a daily wave of"
        f" {traffic.wave * 100:g} %, {traffic.always_failing * 100:g} % of the callers always fail:\n\n"
        + "".join(table(found))
        + "\n"
        + "".join(f"- {each.promise}: {each.found * 100:.3f} %\n" for each in kept)
    )


def write(page: Path, text: str) -> None:
    """Put `text` into `page`, between its two marks."""
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{text}{END}{after}")


def _percent(number: int, figures: SimulatedFigures) -> str:
    return f"{number / figures.runs * 100:.3f} %"


def main() -> int:
    """Simulate, print, and write the page."""
    parser = argparse.ArgumentParser(prog="tests.rollout.figures", description=__doc__)
    parser.add_argument("--runs", type=int, default=200_000, help="rollouts of each release")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--write", type=Path, help="the page whose table is replaced")
    options = parser.parse_args()
    found = []
    for ratio in sorted((GOOD, BAD, *OTHERS)):
        runs = options.runs if ratio in (GOOD, BAD) else max(1, options.runs // 10)
        rollouts = played(ratio, runs, options.seed, options.processes)
        found.append(summed(played_policy(RolloutPolicy()), ratio, options.seed, rollouts))
        print(f"{ratio:g}: {_percent(found[-1].rolled_back, found[-1])} rolled back", file=sys.stderr, flush=True)
    by_ratio = {each.ratio: each for each in found}
    kept = limits(by_ratio[GOOD], by_ratio[BAD])
    text = page_text(found, kept)
    print(text, end="")
    if options.write is not None:
        write(options.write, text)
    return 0 if all(each.kept for each in kept) else 1


if __name__ == "__main__":
    sys.exit(main())
