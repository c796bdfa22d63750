"""The text of a migration's report for a terminal: of stored evidence, or of a replay."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from strangler.cli.output.listing import listed, print_rest
from strangler.comparison.difference import OTHERS
from strangler.shadow.noise.noise import Learned
from strangler.shadow.report.report import EpochSummary, Proof, ShadowReport, SignatureReport
from strangler.shadow.report.words import (
    bound,
    counted,
    headline,
    held_back,
    measured,
    milliseconds,
    noise_words,
    percent,
    proof_text,
    redaction_note,
    rests_on,
)

MOST_ROWS = 20
"""Maximum rows of a list without --all, so that a report has fewer than 200 lines."""
_MOST_LATENCIES = 10
"""Maximum rows of latencies, which take two lines each."""

_SIDES = ("legacy", "extracted")
_RISK_STYLES = {"high": "bold red", "medium": "yellow", "low": "dim"}
_MOST_NAMED = 3
"""Maximum operations named beside a difference."""
_LINE_ENDS = str.maketrans({"\n": "\\n", "\t": "\\t"})
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    """Return text from a request or response with control characters escaped, which a terminal would execute."""
    return _UNPRINTABLE.sub(lambda character: f"\\x{ord(character[0]):02x}", text)


def plain(text: str) -> str:
    """Return it for a rich console, with markup escaped, too."""
    return escape(printable(text))


def plain_line(text: str) -> str:
    """Return it on one line: a value from a page or a text may have several."""
    return escape(printable(text).translate(_LINE_ENDS))


def moment(at: float) -> str:
    """Return a time, in UTC, to the minute."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def print_report(console: Console, report: ShadowReport, everything: bool = False) -> None:
    """Print a report: the first rows of each list, or `everything`."""
    most = None if everything else MOST_ROWS
    if report.live:
        console.print(f"[bold]{plain(headline(report))}[/]")
        for reason in listed(console, report.blocking[1:], most, "reasons"):
            console.print(f"  also: {plain(reason)}")
        console.print(f"{measured(report)}\n")
    else:
        console.print(f"[bold]{measured(report)}[/]")
        console.print(f"Measured against {percent(report.target)}: {proof_text(report.proof, report.target)}\n")
    if report.epoch is not None:
        console.print(_epoch_line(report.epoch))
        console.print(f"Evidence from {moment(report.since)} to {moment(report.until)}.")
    console.print(counted(report))
    if report.epoch is not None and report.proof.compared:
        console.print(rests_on(report))
    for title, counts in (
        ("ignored", report.ignored),
        ("lagging", report.lagging),
        ("failed to answer", report.failed),
        ("not compared", report.not_compared),
    ):
        if counts:
            console.print(f"{title}: " + ", ".join(f"{plain(name)} {count:,}" for name, count in counts.items()))
    for one in listed(console, report.signatures, most, "kinds of difference"):
        _print_signature(console, one)
    _print_classes(console, report)
    _print_operations(console, report, most)
    _print_latencies(console, report, None if everything else _MOST_LATENCIES)
    _print_noise(console, report.noise, None if everything else _MOST_LATENCIES)


def _epoch_line(epoch: EpochSummary) -> str:
    versions = [
        f"{side} {plain(version)}"
        for side, version in zip(_SIDES, (epoch.legacy, epoch.extracted), strict=True)
        if version
    ]
    said = f" ({', '.join(versions)})" if versions else ""
    older = "" if epoch.current else " [yellow](an older one)[/]"
    return f"Epoch {epoch.id}{older}{said} since {moment(epoch.began)}: {plain(epoch.reason)}."


def _print_signature(console: Console, one: SignatureReport) -> None:
    style = _RISK_STYLES.get(one.risk, "")
    if one.signature == OTHERS:
        where = f"{one.count:,} x [bold]other differences[/]: too many kinds to count one by one"
    else:
        where = f"[{style}]{one.risk}[/] {one.count:,} x {one.kind} at [bold]{plain_line(one.path)}[/]"
    console.print(f"\n{where}  {plain_line(', '.join(one.operations[:_MOST_NAMED]))}")
    if one.example is None:
        return
    request = one.example["request"]
    place = f"pair {one.examples[0]}" if one.examples else one.example["source"]
    console.print(f"  {plain_line(place)}: {plain(request['method'])} {plain(request['target'])}")
    for difference in one.example["differences"]:
        if one.signature.endswith(difference["signature"]):
            legacy, extracted = (difference[side] if difference[side] is not None else "nothing" for side in _SIDES)
            values = f"legacy {plain_line(legacy)}, extracted {plain_line(extracted)}{redaction_note(difference)}"
            console.print(f"  {plain_line(difference['path'])}: {values}")
            break


def _print_classes(console: Console, report: ShadowReport) -> None:
    rows = [one for one in report.classes if one.proof.compared]
    if not rows:
        return
    table = _table("By risk", ("class", "pairs", "wrong", "at most", "proof"), ("class", "proof"))
    for one in rows:
        table.add_row(one.risk, *_figures(one.proof), proof_text(one.proof, report.target))
    if report.failures is not None:
        table.add_row("failed to answer", *_figures(report.failures), proof_text(report.failures, report.target))
    console.print()
    console.print(table)


def _figures(proof: Proof) -> tuple[str, str, str]:
    return f"{proof.compared:,}", f"{proof.wrong:,}", bound(proof.bound)


def _print_operations(console: Console, report: ShadowReport, most: int | None) -> None:
    columns = ("operation", "route", "pairs", "wrong", "callers", "requests", "compared", "proof")
    table = _table("Operations", columns, ("operation", "route", "proof"))
    # If not all are shown, those that block the proof come first.
    operations = sorted(report.operations, key=lambda one: -one.proof.wrong) if most is not None else report.operations
    for one in operations[:most]:
        table.add_row(
            plain(one.operation),
            plain(one.route),
            f"{one.proof.compared:,}",
            f"{one.proof.wrong:,}",
            f"{one.callers:,}" if report.live else "-",
            f"{one.requests:,}" if report.live else "-",
            percent(one.compared / one.sampled if one.sampled else 0.0),
            proof_text(one.proof, report.target),
        )
    console.print()
    console.print(table)
    print_rest(console, len(operations), most, "operations")
    if report.unrequested:
        shown = ", ".join(map(plain, report.unrequested[:most]))
        console.print(f"No requests for: {shown}.")
        print_rest(console, len(report.unrequested), most, "routes")


def _print_latencies(console: Console, report: ShadowReport, most: int | None) -> None:
    if not report.latencies:
        return
    columns = ("operation", "side", "responses", "errors", "p50", "p95", "p99")
    table = _table("Errors and latency", columns, ("operation", "side"))
    for one in report.latencies[:most]:
        for side, latency in (("legacy", one.legacy), ("extracted", one.extracted)):
            table.add_row(
                plain(one.operation) if side == "legacy" else "",
                side,
                f"{latency.count:,}",
                f"{latency.errors:,}",
                milliseconds(latency.p50),
                milliseconds(latency.p95),
                milliseconds(latency.p99),
            )
    console.print()
    console.print(table)
    print_rest(console, len(report.latencies), most, "operations")


def _print_noise(console: Console, learned: tuple[Learned, ...], most: int | None) -> None:
    """Print where legacy differs from itself, and which differences were allowed as noise or held back."""
    if not learned:
        return
    columns = ("operation", "path", "legacy", "sides", "allowed", "held back", "learned")
    table = _table("Noise: where legacy differs from itself", columns, ("operation", "path", "learned"))
    for one in learned[:most]:
        table.add_row(
            plain(one.operation),
            plain_line(f"{one.kind} {one.place}"),
            percent(one.legacy[0] / max(1, one.legacy[1])),
            percent(one.sides[0] / max(1, one.sides[1])),
            f"{one.used:,}",
            f"{sum(one.refused.values()):,}",
            plain_line(noise_words(one)),
        )
    console.print()
    console.print(table)
    for one in learned[:most]:
        for why, count in one.refused.items():
            console.print(f"  {plain_line(held_back(one, why, count))}")
    print_rest(console, len(learned), most, "places")


def _table(title: str, columns: tuple[str, ...], left: tuple[str, ...]) -> Table:
    table = Table(box=None, title=title, title_justify="left", title_style="bold", padding=(0, 2, 0, 0))
    for name in columns:
        table.add_column(name, justify="left" if name in left else "right")
    return table
