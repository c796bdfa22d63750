"""No candidate that is wrong is called proven, and none that is right is called wrong; with real processes.

Those that a short test can tell are measured against 3 %; `make evidence-figures`
has all of them against 0.1 %.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.evidence.candidates import CANDIDATES
from tests.evidence.stage import explained, judge
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


@pytest.mark.timeout(400)
def test_only_right_candidates_are_proven(tmp_path: Path) -> None:
    """All in one: they share a gateway and its traffic, which no second test process should start again."""
    found = judge(tmp_path, SHORT, REQUESTS, TARGET)
    assert [one.candidate.name for one in found] == SHORT
    assert [explained(one) for one in found if one.report.proven is not one.candidate.right] == []
    assert [explained(one) for one in found if not one.is_named_rightly] == []
