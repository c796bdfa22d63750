"""`strangler shadow show`: one stored pair, and how to repeat it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from strangler.cli.output.report_text import plain
from strangler.cli.output.terminal import output
from strangler.cli.shadow.pytest_file import NoTest, test_file
from strangler.cli.shadow.stored import with_store
from strangler.config.load import Loaded
from strangler.redaction.redaction import REDACTED
from strangler.shadow.evidence.stored_pairs import stored_pair
from strangler.shadow.report.page import bodies
from strangler.shadow.report.words import redaction_note
from strangler.store.database import Database

_COLUMNS = 160
_STYLES = {"missing": "red", "extra": "green", "changed": "yellow", "skipped": "dim", "equal": ""}


def show_pair(config: Path, number: int, as_json: bool, as_pytest: bool = False) -> int:
    """1 if there is no such pair, or it holds too little for a test."""

    def work(loaded: Loaded, database: Database) -> int:
        pair = stored_pair(database, number)
        if pair is None:
            print(f"strangler: there is no pair {number}: it may have been replaced by a newer one", file=sys.stderr)
            return 1
        if as_pytest:
            try:
                print(test_file(pair, config), end="")
            except NoTest as error:
                print(f"strangler: {error}", file=sys.stderr)
                return 1
            return 0
        commands = {side: curl(pair["request"], pair[side]["endpoint"]) for side in ("legacy", "extracted")}
        if as_json:
            shown = {**pair, "curl": commands}
            print(orjson.dumps(shown, option=orjson.OPT_INDENT_2).decode())
        else:
            _print(pair, commands)
        return 0

    return with_store(config, work)


def curl(request: Mapping[str, Any], endpoint: str) -> str:
    """The command that repeats the request to `endpoint`; $TOKEN replaces the caller's token."""
    parts = ["curl", "-i"]
    if request["method"] == "HEAD":
        parts.append("--head")
    elif request["method"] != "GET":
        parts += ["-X", quote(request["method"])]
    for name, value in request.get("headers", ()):
        if name.lower() == "authorization":
            parts += ["-H", '"Authorization: Bearer $TOKEN"']
        elif value != REDACTED:
            parts += ["-H", quote(f"{name}: {value}")]
    if request.get("body"):
        parts += ["--data-binary", quote(request["body"])]
    return " ".join([*parts, "--path-as-is", quote(endpoint + request["target"])])


def _print(pair: Mapping[str, Any], commands: Mapping[str, str]) -> None:
    console = output()
    request = pair["request"]
    at = datetime.fromtimestamp(pair["at"], UTC).isoformat(timespec="seconds")
    console.print(f"[bold]pair {pair['id']}[/]: {pair['outcome']}, {plain(pair['migration'])}, {at}")
    console.print(f"{plain(request['method'])} {plain(request['target'])}  (the caller got {pair['served']})")
    for side in ("legacy", "extracted"):
        answer = pair[side]
        console.print(f"{side:<10} {answer['status']}, {answer['bytes']:,} bytes, {answer['seconds'] * 1000:.1f} ms")
    for difference in pair["differences"]:
        _print_difference(console, difference)
    for difference in pair["ignored"]:
        _print_difference(console, difference, f" (allowed: {difference['rule']})")
    lines = bodies(dict(pair))
    if lines and pair["differences"]:
        # In a file or a pipe lines are as long as they are, but two columns need an end.
        table = Table(box=None, expand=True, width=None if console.is_terminal else _COLUMNS)
        table.add_column("legacy", ratio=1, overflow="fold")
        table.add_column("extracted", ratio=1, overflow="fold")
        for line in lines:
            table.add_row(plain(line.legacy), plain(line.extracted), style=_STYLES[line.change])
        console.print(table)
    if not pair["values"]:
        console.print(
            "Only digests are stored; with `store: values`, redacted values, headers and queries are stored too."
        )
    console.print("\nTo repeat it:")
    for command in commands.values():
        print(command)


def _print_difference(console: Console, difference: Mapping[str, Any], note: str = "") -> None:
    legacy, extracted = (
        "nothing" if difference[side] is None else difference[side] for side in ("legacy", "extracted")
    )
    console.print(
        f"  {difference['risk']} {difference['kind']} at [bold]{plain(difference['path'])}[/]:"
        f" legacy {plain(legacy)}, extracted {plain(extracted)}{redaction_note(difference)}{plain(note)}"
    )
