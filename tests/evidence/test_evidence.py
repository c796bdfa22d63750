"""No candidate that is wrong is called proven, and none that is right is called wrong; with real processes.

All candidates are measured against 5 %, with fewer requests; `make
evidence-figures` has them against 0.1 %.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.evidence.candidates import CANDIDATES
from tests.evidence.stage import Found, explained, judge

RARE = ("1 %", "2 %", "3 %", "4 %")
"""Shares of wrong responses that are too small for a short test to tell from a target of 5 %."""

SHORT = [name for name, candidate in CANDIDATES.items() if not candidate.wrong.startswith(RARE)]
REQUESTS = 160
TARGET = 0.03


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Found]:
    """What the reports say of all candidates that one gateway has shadowed."""
    folder: Path = tmp_path_factory.mktemp("evidence")
    return {one.candidate.name: one for one in judge(folder, SHORT, REQUESTS, TARGET)}


@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", SHORT)
def test_a_candidate_is_proven_exactly_if_it_is_right(found: dict[str, Found], name: str) -> None:
    one = found[name]
    assert one.report.proven is one.candidate.right, explained(one)
    assert one.is_named_rightly, explained(one)
