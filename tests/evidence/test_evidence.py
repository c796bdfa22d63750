"""No candidate that is wrong is called proven, and none that is right is called wrong; with real processes.

Those that a short test can tell are measured against 3 %; `make evidence-figures`
has all of them against 0.1 %.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.evidence.candidates import CANDIDATES
from tests.evidence.stage import Found, explained, judge
from tests.evidence.worlds import VOLATILE

RARE = ("1 %", "2 %", "3 %", "4 %")
"""Shares of wrong responses that are too small for a short test to tell from its target."""

SHORT = [
    name
    for name, candidate in CANDIDATES.items()
    # What legacy varies by itself takes some hundred pairs to learn.
    if not candidate.wrong.startswith(RARE) and not (candidate.right and candidate.world is VOLATILE)
]
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
