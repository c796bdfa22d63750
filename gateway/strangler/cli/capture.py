"""`strangler capture`: a sample of a migration's live traffic, redacted, in an HTTP Archive."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkstemp
from time import monotonic, sleep, time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from strangler.cli.shadow.stored import with_store
from strangler.config.load import Loaded
from strangler.config.values.quantities import parse_positive_duration, parse_size
from strangler.replay.har.writing import har_of
from strangler.shadow.evidence.capture import collect, count, is_begun, order
from strangler.store.database import Database

_POLL = 0.5
_BEGIN = 15.0
"""Seconds for the judge to find the order, which it looks for every two."""
_GRACE = 3.0
"""Seconds after the end for the judge to write what it took last."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is captured at most; `duration` and `size` as on the command line."""

    requests: int
    duration: str
    size: str


def capture_traffic(config: Path, migration: str, out: Path, bounds: Bounds) -> int:
    """Write `out`, which only this user can read: it holds what callers sent, though redacted.

    1 if nothing was captured or the migration is not shadowing, 2 for an invalid duration or size.
    """
    try:
        seconds, most = parse_positive_duration(bounds.duration), parse_size(bounds.size)
    except ValueError as error:
        print(f"strangler: {error}", file=sys.stderr)
        return 2

    def work(loaded: Loaded, database: Database) -> int:
        if loaded.snapshot.migrations[migration].shadow is None:
            return 1
        try:
            # Created first, beside it: a capture of minutes must not be lost because the file can't be written.
            descriptor, beside = mkstemp(dir=out.parent, prefix=f".{out.name}.")
        except OSError as error:
            print(f"strangler: {out} can't be written: {error.strerror}", file=sys.stderr)
            return 1
        try:
            with open(descriptor, "wb") as file:
                documents = _captured(database, migration, bounds.requests, seconds, most)
                if not documents:
                    return 1
                file.write(har_of(documents))
            os.replace(beside, out)
        finally:
            Path(beside).unlink(missing_ok=True)
        print(f"{len(documents)} requests in {out}")
        return 0

    return with_store(config, work, migration)


def _captured(database: Database, migration: str, requests: int, seconds: float, most: int) -> list[dict[str, Any]]:
    """The captured requests; if there are none, the reason is printed."""
    number = order(database, migration, time() + _BEGIN + seconds, requests, most)
    if not _has_begun(database, number):
        collect(database, number)
        print(
            f"strangler: no gateway records pairs of {migration}. Is one running, with this store and this stage?",
            file=sys.stderr,
        )
        return []
    print(f"capturing {migration} for at most {seconds:g} s: send requests now", file=sys.stderr)
    try:
        _wait(database, number, requests, seconds)
    except KeyboardInterrupt:
        print("interrupted: keeping the requests captured so far", file=sys.stderr)
    documents = collect(database, number)
    if not documents:
        print(f"strangler: no pair of {migration} within {seconds:g} s", file=sys.stderr)
    return documents


def _has_begun(database: Database, number: int) -> bool:
    end = monotonic() + _BEGIN
    while not is_begun(database, number):
        if monotonic() > end:
            return False
        sleep(_POLL)
    return True


def _wait(database: Database, number: int, requests: int, seconds: float) -> None:
    console = Console(stderr=True)
    columns = (TextColumn("capturing"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("capturing", total=requests)
        end = monotonic() + seconds + _GRACE
        while (captured := count(database, number)) < requests and monotonic() < end:
            progress.update(task, completed=captured)
            sleep(_POLL)
