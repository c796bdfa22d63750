"""Every row of the tables, in every way in which it can be played, with plain heads read in one pass and parsed."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.conformance.conftest import Between
from tests.conformance.playing import Mode, modes, play
from tests.conformance.rows import Row
from tests.conformance.tables import TABLES

PLAYED = [
    pytest.param(gateway, row, mode, id=f"{table}: {row.name}, {mode}{', parsed' if gateway == 'parsing' else ''}")
    for gateway in ("as_ever", "parsing")
    for table, rows in TABLES.items()
    for row in rows
    for mode in modes(row)
    # In pieces everything is parsed anyway.
    if gateway != "parsing" or mode != "in pieces"
]


@pytest.mark.parametrize(("gateway", "row", "mode"), PLAYED)
def test_row_of_a_table(request: pytest.FixtureRequest, gateway: str, row: Row, mode: Mode) -> None:
    between: Between = request.getfixturevalue(gateway)
    play(between.wire, between.gateway.port, row, mode)


def test_rows_have_names_of_their_own_and_name_their_source() -> None:
    rows = [row for table in TABLES.values() for row in table]
    assert [name for name, count in Counter(row.name for row in rows).items() if count > 1] == []
    assert [row.name for row in rows if not row.source] == []
    assert len(rows) >= 300
