"""The orders service is killed between two lines, with customers in between; another process goes on.

`make saga-chaos` is the long version.
"""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("orders_service", reason="the orders service is not in this checkout")

from tests.extracted.saga_chaos import SHORT_LEASES, kill_repeatedly
from tests.extracted.shop import Shop

KILLS = 8


def test_after_a_crash_between_any_two_lines_nothing_is_stuck_lost_or_paid_twice(tmp_path: Path) -> None:
    with Shop(tmp_path, variables=SHORT_LEASES) as shop:
        kills = list(kill_repeatedly(shop, KILLS))
        assert len(kills) == KILLS
        assert len({(kill.module, kill.line) for kill in kills}) > KILLS // 2
        assert [kill for kill in kills if kill.stuck or kill.problems] == []
        # Some were killed with an order half done: not every customer's order was completed or declined.
        states = dict(shop.rows("orders", "SELECT state, COUNT(*) FROM sagas GROUP BY state"))
        assert states["awaiting_payment"] > 0
