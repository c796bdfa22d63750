"""A short version of `make rollout-figures`, whose long one writes docs/rollout.md."""

from __future__ import annotations

from pathlib import Path

from strangler.rollout.policy import RolloutPolicy
from strangler.rollout.simulation.figures import summed
from strangler.rollout.simulation.play import played_policy
from tests.rollout.figures import BAD, BEGIN, END, GOOD, limits, page_text, played, write

RUNS = 400
POLICY = played_policy(RolloutPolicy())


def test_promises_are_kept_and_written(tmp_path: Path) -> None:
    good, bad = (summed(POLICY, ratio, 7, played(ratio, RUNS, 7, 1)) for ratio in (GOOD, BAD))
    # In 400 rollouts one more than the mean is no breach: 1 % are 4 ± 2.
    assert good.rolled_back <= 10
    assert bad.promoted <= 3
    assert bad.within >= 0.99
    kept = limits(good, bad)
    assert len(kept) == 3
    page = tmp_path / "rollout.md"
    page.write_text(f"# Rollout\n\n{BEGIN}\nold\n{END}\n\nMore.\n")
    write(page, page_text([good, bad], kept))
    text = page.read_text()
    assert "old" not in text
    assert text.startswith(f"# Rollout\n\n{BEGIN}\nSimulated rollouts by the default policy, seed 7, on 20")
    assert text.endswith(f"{END}\n\nMore.\n")
    assert text.count("\n| ") == 3


def test_the_same_rollouts_are_played_by_several_processes() -> None:
    assert played(BAD, 1200, 3, 1)[::300] == played(BAD, 1200, 3, 2)[::300]
