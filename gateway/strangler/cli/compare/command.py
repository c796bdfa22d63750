"""`strangler compare`: replays recorded requests against both sides and reports differences."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from strangler.cli.compare.options import Options, UsageError, check, given_fields, prepare
from strangler.cli.compare.running import replay_requests
from strangler.cli.output.listing import listed
from strangler.cli.output.report_text import print_report, printable
from strangler.cli.output.terminal import output
from strangler.cli.validate import print_problems
from strangler.config.text.problems import ConfigurationError
from strangler.replay.recorded import RecordingError
from strangler.replay.results import Results

_MOST_NOT_ASKED = 15
"""Lines about requests that were not replayed, without --all."""


def compare_sides(options: Options) -> int:
    """Print the report; 2 for wrong usage.

    1 if a pair differs, a response is missing, nothing was compared, or Ctrl-C ended the run early.
    """
    try:
        check(options)
        fields = given_fields(options.headers)
        rules, confirm_after, results = prepare(options)
    except (UsageError, RecordingError) as error:
        print(f"strangler: {error}", file=sys.stderr)
        return 2
    except ConfigurationError as error:
        print_problems(error)
        return 2
    interrupted = False
    try:
        asyncio.run(replay_requests(options, fields, rules, confirm_after, results))
    except (KeyboardInterrupt, asyncio.CancelledError):
        interrupted = True
        print(f"interrupted after {results.total.outcomes.total()} requests", file=sys.stderr)
    written = options.html is not None and _write_page(options.html, results)
    if options.as_json:
        print(_json(results.as_json()))
    elif not written:
        console = output()
        print_report(console, results.report(), options.everything)
        lines = list(_not_asked(results, {name.lower() for name, _ in fields}))
        for line in listed(console, lines, None if options.everything else _MOST_NOT_ASKED, "requests not replayed"):
            print(printable(line))
    return 0 if results.equivalent and not interrupted and (written or options.html is None) else 1


def _write_page(file: Path, results: Results) -> bool:
    """Write the report as a page; whether that worked."""
    from strangler.shadow.report.page import page

    try:
        # JSON responses may hold lone surrogates.
        file.write_text(page(results.report()), "utf-8", "backslashreplace")
    except OSError as error:
        print(f"strangler: {file} can't be written: {error.strerror}", file=sys.stderr)
        return False
    print(f"{file} written", file=sys.stderr)
    return True


def _json(value: Any) -> str:
    """`value` as JSON; lone surrogates, which the JSON of a response may hold, are escaped."""
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    except TypeError:
        return json.dumps(value, indent=2)


def _not_asked(results: Results, given: set[str]) -> Iterator[str]:
    """What the report leaves out: requests of the recording that were not replayed, and missing responses.

    `given` are the names of headers on the command line.
    """
    recording = results.recording
    if recording.skipped:
        listed = ", ".join(f"{reason} {count}" for reason, count in recording.skipped.most_common())
        yield f"{recording.skipped.total()} not replayed: {listed}"
    for title, sentences in (
        ("not filled", recording.unfilled),
        ("not read", recording.unreadable),
        ("left out", recording.left_out),
    ):
        if len(sentences) > 1:
            yield f"{title}: {len(sentences)}"
        yield from (f"{title}: {sentence}" for sentence in sentences)
    yield from (f"{reason}: {detail}" for reason, detail in results.unanswered.items())
    redacted = Counter(name for request in recording.requests for name in request.redacted if name.lower() not in given)
    for name, count in redacted.most_common():
        yield f"{count} requests were recorded without the value of {name}: set it with -H '{name}: …'"
