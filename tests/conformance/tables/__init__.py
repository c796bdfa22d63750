"""The tables, by subject."""

from __future__ import annotations

from tests.conformance.rows import Row
from tests.conformance.tables import (
    chunked,
    framing,
    hop_by_hop,
    host_and_target,
    identity,
    interim,
    paths,
    pipelining,
    responses,
    syntax,
    tokens,
    upgrades,
)

TABLES: dict[str, list[Row]] = {
    "framing": framing.ROWS,
    "chunked": chunked.ROWS,
    "syntax": syntax.ROWS,
    "host and target": host_and_target.ROWS,
    "paths": paths.ROWS,
    "hop by hop": hop_by_hop.ROWS,
    "identity": identity.ROWS,
    "tokens": tokens.ROWS,
    "responses": responses.ROWS,
    "interim": interim.ROWS,
    "pipelining": pipelining.ROWS,
    "upgrades": upgrades.ROWS,
}
