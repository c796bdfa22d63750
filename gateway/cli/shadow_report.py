"""`strangler shadow report`: what is proven about a migration, and what is not yet."""

from __future__ import annotations

import sys
from pathlib import Path
from time import time

import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gateway.cli.shadow_store import check_migration, with_store
from gateway.config.load import Loaded
from gateway.config.values import parse_positive_duration
from gateway.shadow.report import Report, SignatureCount, report
from gateway.shadow.words import headline, milliseconds, percent, proof_text
from gateway.store.database import Database

_RISK_STYLES = {"high": "bold red", "medium": "yellow", "low": "dim"}


def show_report(
    config: Path, migration: str, since: str | None, target: float, as_json: bool, html: Path | None
) -> int:
    """0 where `target` is proven, 1 where not, 2 for a duration that is none."""
    try:
        begin = 0.0 if since is None else time() - parse_positive_duration(since)
    except ValueError as error:
        print(f"strangler: --since: {error}", file=sys.stderr)
        return 2

    def work(loaded: Loaded, database: Database) -> int:
        check_migration(loaded, migration)
        routes = [r for r in loaded.snapshot.routes if r.migration is not None and r.migration.name == migration]
        found = report(database, migration, routes, time(), begin, target)
        if html is not None:
            from gateway.shadow.page import page

            html.write_text(page(found), "utf-8")
            print(f"{html} written", file=sys.stderr)
        if as_json:
            print(orjson.dumps(found.as_json(), option=orjson.OPT_INDENT_2).decode())
        elif html is None:
            _print(found)
        return 0 if found.proof.proven else 1

    return with_store(config, work)


def _print(found: Report) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"[bold]{escape(headline(found))}[/]")
    console.print(f"Measured against {percent(found.target)}: {proof_text(found.proof, found.target)}\n")
    ignored = sum(found.ignored.values())
    console.print(
        f"{found.compared:,} compared: {found.matched:,} matched, {ignored:,} ignored, {found.mismatched:,} mismatched"
        + (f"; {found.without_evidence:,} equal errors prove nothing" if found.without_evidence else "")
    )
    for title, counts in (("ignored", found.ignored), ("not compared", found.not_compared)):
        if counts:
            console.print(f"{title}: " + ", ".join(f"{escape(name)} {count:,}" for name, count in counts.items()))
    for one in found.signatures:
        _print_signature(console, one)
    _print_routes(console, found)
    _print_latencies(console, found)


def _print_signature(console: Console, one: SignatureCount) -> None:
    style = _RISK_STYLES.get(one.risk, "")
    console.print(
        f"\n[{style}]{one.risk}[/] {one.count:,} x {one.kind} at [bold]{escape(one.path)}[/]"
        f"  {escape(', '.join(one.endpoints))}"
    )
    if one.example is None:
        return
    request = one.example["request"]
    console.print(f"  pair {one.examples[0]}: {escape(request['method'])} {escape(request['target'])}")
    for difference in one.example["differences"]:
        if difference["signature"] == one.signature:
            legacy, extracted = (difference[side] if difference[side] is not None else "nothing" for side in _SIDES)
            console.print(f"  {escape(difference['path'])}: legacy {escape(legacy)}, extracted {escape(extracted)}")
            break


_SIDES = ("legacy", "extracted")


def _print_routes(console: Console, found: Report) -> None:
    table = Table(box=None, title="Routes", title_justify="left", title_style="bold", padding=(0, 2, 0, 0))
    for name in ("route", "pattern", "pairs", "mismatched", "proof"):
        table.add_column(name, justify="right" if name in ("pairs", "mismatched") else "left")
    for route in found.routes:
        proof = route.proof
        table.add_row(
            escape(route.route),
            escape(route.pattern),
            f"{proof.compared:,}",
            f"{proof.mismatched:,}",
            proof_text(proof, found.target),
        )
    console.print()
    console.print(table)


def _print_latencies(console: Console, found: Report) -> None:
    if not found.endpoints:
        return
    table = Table(box=None, title="Errors and latency", title_justify="left", title_style="bold", padding=(0, 2, 0, 0))
    for name in ("endpoint", "side", "answers", "errors", "p50", "p95", "p99"):
        table.add_column(name, justify="left" if name in ("endpoint", "side") else "right")
    for one in found.endpoints:
        for side, latency in (("legacy", one.legacy), ("extracted", one.extracted)):
            table.add_row(
                escape(one.endpoint) if side == "legacy" else "",
                side,
                f"{latency.count:,}",
                f"{latency.errors:,}",
                milliseconds(latency.p50),
                milliseconds(latency.p95),
                milliseconds(latency.p99),
            )
    console.print()
    console.print(table)
