"""The inputs that fuzzing begins with, some changes to each, and whatever fuzzing has found."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.fuzz.mutation import mutated
from tests.fuzz.play import Player
from tests.fuzz.seeds import seeds

FOUND = sorted((Path(__file__).parent / "found").glob("*"))


def test_invariants_hold_for_all_seeds(player: Player) -> None:
    for seed in seeds():
        player.play(seed)


@pytest.mark.parametrize("file", FOUND, ids=lambda file: file.name)
def test_inputs_found_by_fuzzing_stay_repaired(player: Player, file: Path) -> None:
    player.play(file.read_bytes())


def test_invariants_hold_for_mutated_seeds(player: Player) -> None:
    random = Random(1)
    inputs = seeds()
    for _ in range(1000):
        player.play(mutated(random.choice(inputs), inputs, random))
