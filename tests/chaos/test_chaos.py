"""The scenarios in short: what is promised must hold here as in the long run of `make chaos`."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.processes import NotRunnable
from tests.chaos.scenarios import SCENARIOS, broken_promises, run

SHORT = 0.03


@pytest.mark.parametrize("name", SCENARIOS)
def test_promises_hold_under_faults(name: str, tmp_path: Path) -> None:
    try:
        outcome = run(name, tmp_path, SHORT, fresh=False)
    except NotRunnable as error:
        pytest.skip(str(error))
    assert outcome.right
    assert not broken_promises(outcome), outcome
