"""A report about a migration as a person reads it in a terminal: of stored evidence, or of a replay."""

from __future__ import annotations

import re

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gateway.shadow.report import Report, SignatureCount
from gateway.shadow.words import headline, milliseconds, percent, proof_text, redaction_note

_SIDES = ("legacy", "extracted")
_RISK_STYLES = {"high": "bold red", "medium": "yellow", "low": "dim"}
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    """What somebody sent, without anything that a terminal would obey."""
    return _UNPRINTABLE.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def plain(text: str) -> str:
    """The same for a rich console, which finds no markup in it."""
    return escape(printable(text))


def print_report(console: Console, found: Report) -> None:
    """Print all of it."""
    console.print(f"[bold]{plain(headline(found))}[/]")
    console.print(f"Measured against {percent(found.target)}: {proof_text(found.proof, found.target)}\n")
    ignored = sum(found.ignored.values())
    console.print(
        f"{found.compared:,} compared: {found.matched:,} matched, {ignored:,} ignored, {found.mismatched:,} mismatched"
        + (f"; {found.without_evidence:,} equal errors prove nothing" if found.without_evidence else "")
    )
    for title, counts in (("ignored", found.ignored), ("not compared", found.not_compared)):
        if counts:
            console.print(f"{title}: " + ", ".join(f"{plain(name)} {count:,}" for name, count in counts.items()))
    for one in found.signatures:
        _print_signature(console, one)
    _print_routes(console, found)
    _print_latencies(console, found)


def _print_signature(console: Console, one: SignatureCount) -> None:
    style = _RISK_STYLES.get(one.risk, "")
    console.print(
        f"\n[{style}]{one.risk}[/] {one.count:,} x {one.kind} at [bold]{plain(one.path)}[/]"
        f"  {plain(', '.join(one.endpoints))}"
    )
    if one.example is None:
        return
    request = one.example["request"]
    place = f"pair {one.examples[0]}" if one.examples else one.example["source"]
    console.print(f"  {plain(place)}: {plain(request['method'])} {plain(request['target'])}")
    for difference in one.example["differences"]:
        if difference["signature"] == one.signature:
            legacy, extracted = (difference[side] if difference[side] is not None else "nothing" for side in _SIDES)
            values = f"legacy {plain(legacy)}, extracted {plain(extracted)}{redaction_note(difference)}"
            console.print(f"  {plain(difference['path'])}: {values}")
            break


def _print_routes(console: Console, found: Report) -> None:
    table = Table(box=None, title="Routes", title_justify="left", title_style="bold", padding=(0, 2, 0, 0))
    for name in ("route", "pattern", "pairs", "mismatched", "proof"):
        table.add_column(name, justify="right" if name in ("pairs", "mismatched") else "left")
    for route in found.routes:
        proof = route.proof
        table.add_row(
            plain(route.route),
            plain(route.pattern),
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
                plain(one.endpoint) if side == "legacy" else "",
                side,
                f"{latency.count:,}",
                f"{latency.errors:,}",
                milliseconds(latency.p50),
                milliseconds(latency.p95),
                milliseconds(latency.p99),
            )
    console.print()
    console.print(table)
