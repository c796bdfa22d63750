"""`strangler compare`: ask both sides what was recorded, and say what of their answers differs."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from strangler.cli.output.listing import listed
from strangler.cli.output.report_text import print_report, printable
from strangler.cli.output.terminal import output
from strangler.cli.validate import print_problems
from strangler.comparison.rules import Rules
from strangler.config.compile.compare import DEFAULT_RULES, rules_of
from strangler.config.load import load
from strangler.config.text.problems import ConfigurationError
from strangler.config.text.values import parse_method
from strangler.model.methods import SAFE_METHODS
from strangler.model.shadow import Shadow
from strangler.redaction.redaction import Redaction
from strangler.replay.ask import Side
from strangler.replay.har.hosts import parse_origin
from strangler.replay.har.reading import read_har
from strangler.replay.openapi.requests import read_openapi
from strangler.replay.operations import only_migration
from strangler.replay.recorded import RecordedRequests, RecordingError, fields_of
from strangler.replay.replay import ReplayedPair, replay
from strangler.replay.results import Results
from strangler.replay.url_list import read_url_list


@dataclass(frozen=True, slots=True)
class Options:
    """The command line of `strangler compare`; `concurrency` requests at a time, `rate` a second, times in seconds."""

    legacy: str
    extracted: str
    har: Path | None
    origins: list[str]
    openapi: Path | None
    urls: Path | None
    config: Path | None
    migration: str | None
    methods: str | None
    headers: list[str]
    host: str | None
    concurrency: int
    rate: float
    timeout: float
    as_json: bool
    html: Path | None
    everything: bool = False


_MOST_NOT_ASKED = 15
"""Lines about what was not asked, without --all."""


class _Usage(Exception):
    """The command line asks for what can't be; the message says what."""


def compare_sides(options: Options) -> int:
    """Print the report; 2 for wrong usage.

    1 where a pair differs, an answer is missing, nothing was compared, or Ctrl-C ended it early.
    """
    try:
        _check(options)
        fields = _fields(options.headers)
        rules, confirm_after, results = _prepared(options)
    except (_Usage, RecordingError) as error:
        print(f"strangler: {error}", file=sys.stderr)
        return 2
    except ConfigurationError as error:
        print_problems(error)
        return 2
    interrupted = False
    try:
        asyncio.run(_replay(options, fields, rules, confirm_after, results))
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
        for line in listed(console, lines, None if options.everything else _MOST_NOT_ASKED, "requests not asked"):
            print(printable(line))
    return 0 if results.equivalent and not interrupted and (written or options.html is None) else 1


def _write_page(file: Path, results: Results) -> bool:
    """Write the report as a page; whether that worked."""
    from strangler.shadow.report.page import page

    try:
        # Answers in JSON may hold lone surrogates.
        file.write_text(page(results.report()), "utf-8", "backslashreplace")
    except OSError as error:
        print(f"strangler: {file} can't be written: {error.strerror}", file=sys.stderr)
        return False
    print(f"{file} written", file=sys.stderr)
    return True


def _json(value: Any) -> str:
    """`value` as JSON; lone surrogates, which JSON of an answer may hold, are escaped."""
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    except TypeError:
        return json.dumps(value, indent=2)


def _not_asked(results: Results, given: set[str]) -> Iterator[str]:
    """What the report does not say: what is missing of the recording, and of the answers.

    `given` are the names of headers on the command line.
    """
    recording = results.recording
    if recording.skipped:
        listed = ", ".join(f"{reason} {count}" for reason, count in recording.skipped.most_common())
        yield f"{recording.skipped.total()} not asked: {listed}"
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
        yield f"{count} requests were recorded without the value of {name}: give one with -H '{name}: …'"


def _check(options: Options) -> None:
    for name, url in (("--legacy", options.legacy), ("--extracted", options.extracted)):
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/") or parts.query:
            raise _Usage(f"{name} is an http(s) URL of scheme, host and port alone, not {url!r}")
        if parts.username is not None:
            raise _Usage(f"{name} can't hold a user name: give -H 'Authorization: …'")
    if sum(file is not None for file in (options.har, options.openapi, options.urls)) != 1:
        raise _Usage("give one of --har, --openapi and --urls")
    if options.html is not None and not options.html.absolute().parent.is_dir():
        raise _Usage(f"--html: there is no folder {options.html.absolute().parent}")
    if options.origins and options.har is None:
        raise _Usage("--origin goes with --har: of a list of URLs only path and query count")
    if (options.config is None) is not (options.migration is None):
        raise _Usage("--config and --migration go together: the rules are those of a migration")


def _fields(headers: list[str]) -> list[tuple[str, str]]:
    fields: list[tuple[str, str]] = []
    for text in headers:
        name, colon, value = text.partition(":")
        try:
            kept, _ = fields_of([(name.strip(), value.strip())] if colon else [])
        except ValueError as error:
            raise _Usage(f"-H: {error}") from None
        if not kept:
            raise _Usage(f"-H {name.strip()!r}: expected 'NAME: VALUE' of a header that a client may choose")
        fields += kept
    return fields


def _prepared(options: Options) -> tuple[Rules, float, Results]:
    """The rules, the seconds after which a mismatch is asked again, and the results of nothing asked yet."""
    recording = _recording(options)
    urls = (options.legacy, options.extracted)
    recording.only_methods(_methods(options.methods))
    if options.config is None or options.migration is None:
        name = str(options.har or options.openapi or options.urls)
        return DEFAULT_RULES, Shadow().confirm_after, Results(recording, name, urls)
    loaded = load(options.config)
    if options.migration not in loaded.model.migrations:
        known = ", ".join(loaded.model.migrations) or "none"
        raise _Usage(f"{options.config} has no migration {options.migration!r}; it has {known}")
    only_migration(recording, loaded.snapshot, options.migration, options.host)
    migration = loaded.snapshot.migrations[options.migration]
    shadow = migration.shadow or Shadow()
    routes = [route for route in loaded.snapshot.routes if route.migration is migration]
    results = Results(recording, options.migration, urls, routes, Redaction(shadow.redact))
    return rules_of(loaded.model, options.migration), shadow.confirm_after, results


def _recording(options: Options) -> RecordedRequests:
    try:
        if options.har is not None:
            return read_har(options.har.read_bytes(), str(options.har), _origins(options.origins))
        if options.openapi is not None:
            return read_openapi(options.openapi.read_bytes(), str(options.openapi))
        assert options.urls is not None
        if options.urls == Path("-"):
            return read_url_list(sys.stdin.buffer.read(), "standard input")
        return read_url_list(options.urls.read_bytes(), str(options.urls))
    except OSError as error:
        is_url = str(error.filename).startswith(("http:", "https:"))
        hint = "; it has to be a file: fetch the URL into one first" if is_url else ""
        raise RecordingError(f"{error.filename}: {error.strerror}{hint}") from None


def _origins(texts: list[str]) -> frozenset[str]:
    try:
        return frozenset(map(parse_origin, texts))
    except ValueError as error:
        raise _Usage(f"--origin: {error}") from None


def _methods(text: str | None) -> frozenset[str]:
    if text is None:
        return SAFE_METHODS
    try:
        return frozenset(parse_method(name.strip().upper()) for name in text.split(","))
    except ValueError as error:
        raise _Usage(f"--methods: {error}") from None


async def _replay(
    options: Options, fields: list[tuple[str, str]], rules: Rules, confirm_after: float, results: Results
) -> None:
    if threading.current_thread() is threading.main_thread():
        # What stops a job of CI ends the run as Ctrl-C does: with the report of what was asked until then.
        running = asyncio.current_task()
        assert running is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    requests = results.recording.requests
    host = options.host or urlsplit(options.legacy).netloc
    console = Console(stderr=True)
    columns = (
        TextColumn("comparing"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[found]}"),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("comparing", total=len(requests), found="")

        def judged(replayed: ReplayedPair) -> None:
            results.add(replayed)
            progress.update(task, advance=1, found=f"{results.total.wrong} wrong")

        async with AsyncExitStack() as stack:
            legacy, extracted = [
                await stack.enter_async_context(
                    Side(
                        url,
                        host=host,
                        headers=fields,
                        connections=options.concurrency,
                        timeout=options.timeout,
                        most=rules.decoded_body,
                    )
                )
                for url in (options.legacy, options.extracted)
            ]
            await replay(
                requests,
                legacy,
                extracted,
                rules,
                judged,
                concurrency=options.concurrency,
                rate=options.rate,
                confirm_after=confirm_after,
            )
