"""`strangler shadow report`: what is proven about a migration, and what is not yet."""

from __future__ import annotations

import sys
from pathlib import Path
from time import time

import orjson

from gateway.cli.report_text import print_report
from gateway.cli.shadow_store import with_store
from gateway.cli.terminal import output
from gateway.config.load import Loaded
from gateway.config.values import parse_positive_duration
from gateway.shadow.stored_evidence import report
from gateway.store.database import Database


def show_report(
    config: Path,
    migration: str,
    since: str | None,
    target: float,
    as_json: bool,
    html: Path | None,
    everything: bool = False,
) -> int:
    """0 where `target` is proven, 1 where not, 2 for a duration that is none."""
    try:
        begin = 0.0 if since is None else time() - parse_positive_duration(since)
    except ValueError as error:
        print(f"strangler: --since: {error}", file=sys.stderr)
        return 2

    def work(loaded: Loaded, database: Database) -> int:
        routes = [r for r in loaded.snapshot.routes if r.migration is not None and r.migration.name == migration]
        found = report(database, migration, routes, time(), begin, target)
        if html is not None:
            from gateway.shadow.page import page

            html.write_text(page(found), "utf-8")
            print(f"{html} written", file=sys.stderr)
        if as_json:
            print(orjson.dumps(found.as_json(), option=orjson.OPT_INDENT_2).decode())
        elif html is None:
            print_report(output(), found, everything)
        if not found.compared and not found.not_compared:
            print(
                "Evidence is written every few seconds: of requests just made, ask again in a moment.", file=sys.stderr
            )
        return 0 if found.proof.proven else 1

    return with_store(config, work, migration)
