"""Every row of the tables, in every way in which it can be played."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.conformance.conftest import Between
from tests.conformance.playing import Mode, modes, play
from tests.conformance.rows import Row
from tests.conformance.tables import TABLES

PLAYED = [
    pytest.param(row, mode, id=f"{table}: {row.name}, {mode}")
    for table, rows in TABLES.items()
    for row in rows
    for mode in modes(row)
]


@pytest.mark.parametrize(("row", "mode"), PLAYED)
def test_row_of_a_table(between: Between, row: Row, mode: Mode) -> None:
    play(between.wire, between.gateway.port, row, mode)


def test_rows_have_names_of_their_own_and_name_their_source() -> None:
    rows = [row for table in TABLES.values() for row in table]
    assert [name for name, count in Counter(row.name for row in rows).items() if count > 1] == []
    assert [row.name for row in rows if not row.source] == []
    assert len(rows) >= 300
