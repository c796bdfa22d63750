"""`strangler shadow report`, `epochs` and `reset`: what is proven about a migration, and of which version."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from time import time

import orjson

from strangler.cli.output.report_text import moment, plain, print_report
from strangler.cli.output.terminal import output
from strangler.cli.shadow.stored import with_store
from strangler.config.load import Loaded
from strangler.config.values.quantities import parse_positive_duration
from strangler.shadow.evidence.store import reset
from strangler.shadow.evidence.stored_evidence import NoSuchEpoch, ReportQuery, epochs_of, report
from strangler.store.database import Database


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """What a report is about and how it is shown; `target` is a share, 0 to 1."""

    target: float
    since: str | None = None
    epoch: str | None = None
    as_json: bool = False
    html: Path | None = None
    everything: bool = False


def show_report(config: Path, migration: str, options: ReportOptions) -> int:
    """0 if the target is proven, 1 if not, 2 for an invalid duration or epoch."""
    try:
        begin = 0.0 if options.since is None else time() - parse_positive_duration(options.since)
    except ValueError as error:
        print(f"strangler: --since: {error}", file=sys.stderr)
        return 2

    def work(loaded: Loaded, database: Database) -> int:
        snapshot = loaded.snapshot
        routes = [r for r in snapshot.routes if r.migration is not None and r.migration.name == migration]
        try:
            evidence = report(
                database,
                snapshot.migrations[migration],
                routes,
                ReportQuery(time(), begin, options.target, options.epoch),
            )
        except NoSuchEpoch as error:
            print(f"strangler: --epoch: {error}", file=sys.stderr)
            return 2
        if options.html is not None:
            from strangler.shadow.report.page import page

            options.html.write_text(page(evidence), "utf-8")
            print(f"{options.html} written", file=sys.stderr)
        if options.as_json:
            print(orjson.dumps(evidence.as_json(), option=orjson.OPT_INDENT_2).decode())
        elif options.html is None:
            print_report(output(), evidence, options.everything)
        if not evidence.compared and not evidence.not_compared:
            print(
                "Evidence is written every few seconds: if requests were just sent, try again in a moment.",
                file=sys.stderr,
            )
        return 0 if evidence.proven else 1

    return with_store(config, work, migration)


def show_epochs(config: Path, migration: str, as_json: bool) -> int:
    """0; 1 if the configuration or the store can't be read."""

    def work(loaded: Loaded, database: Database) -> int:
        epochs = epochs_of(database, migration)
        if as_json:
            print(orjson.dumps([asdict(epoch) for epoch in epochs], option=orjson.OPT_INDENT_2).decode())
            return 0
        console = output()
        for epoch in epochs:
            versions = " ".join(
                f"{side} {version}"
                for side, version in (("legacy", epoch.legacy), ("extracted", epoch.extracted))
                if version
            )
            mark = "*" if epoch.current else " "
            console.print(
                f"{mark} {epoch.id}  {moment(epoch.began)} to {moment(epoch.last)}  {plain(versions)}"
                f"  {plain(epoch.reason)}"
            )
        if not epochs:
            console.print("There is no evidence yet.")
        return 0

    return with_store(config, work, migration)


def reset_evidence(config: Path, migration: str, reason: str) -> int:
    """0; 1 if the configuration or the store can't be read or written."""

    def work(loaded: Loaded, database: Database) -> int:
        number = database.read(lambda connection: reset(database, connection, migration, reason, time()))
        print(
            f"A new epoch of evidence about '{migration}' has begun (reset {number}). A running gateway notices"
            " within seconds; 'strangler shadow epochs' lists the older ones."
        )
        return 0

    return with_store(config, work, migration)
