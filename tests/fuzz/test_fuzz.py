"""The inputs that fuzzing begins with, some changes to each, and whatever fuzzing has found."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.fuzz.mutation import mutated
from tests.fuzz.play import Player
from tests.fuzz.seeds import seeds

FOUND = sorted((Path(__file__).parent / "found").glob("*"))


def test_what_must_hold_holds_for_the_rows(player: Player) -> None:
    for seed in seeds():
        player.play(seed)


@pytest.mark.parametrize("file", FOUND, ids=lambda file: file.name)
def test_what_fuzzing_has_found_stays_repaired(player: Player, file: Path) -> None:
    player.play(file.read_bytes())


def test_what_must_hold_holds_for_a_few_changes(player: Player) -> None:
    random = Random(1)
    inputs = seeds()
    for _ in range(1000):
        player.play(mutated(random.choice(inputs), inputs, random))
