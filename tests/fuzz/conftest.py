"""One player for all inputs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fuzz.configuration import fuzzed_snapshot
from tests.fuzz.play import Player


@pytest.fixture(scope="session")
def player(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Player]:
    """Plays inputs through a data plane with two upstreams of one connection each."""
    playing = Player(fuzzed_snapshot(tmp_path_factory.mktemp("fuzz")))
    yield playing
    playing.close()
