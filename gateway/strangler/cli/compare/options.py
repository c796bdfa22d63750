"""The command line of `strangler compare`: checked, and made into requests and rules."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from strangler.comparison.rules import Rules
from strangler.config.compile.compare import DEFAULT_RULES, rules_of
from strangler.config.load import load
from strangler.config.values.http_syntax import parse_method
from strangler.model.methods import COMPARABLE
from strangler.model.shadow import Shadow
from strangler.redaction.redaction import Redaction
from strangler.replay.har.hosts import parse_origin
from strangler.replay.har.reading import read_har
from strangler.replay.openapi.requests import read_openapi
from strangler.replay.operations import only_migration
from strangler.replay.recorded import RecordedRequests, RecordingError, fields_of
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


class UsageError(Exception):
    """The command line can't be carried out; the message is the reason."""


def check(options: Options) -> None:
    for name, url in (("--legacy", options.legacy), ("--extracted", options.extracted)):
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/") or parts.query:
            raise UsageError(f"{name} must be an http(s) URL of scheme, host and port only, not {url!r}")
        if parts.username is not None:
            raise UsageError(f"{name} can't hold a user name: use -H 'Authorization: …'")
    if sum(file is not None for file in (options.har, options.openapi, options.urls)) != 1:
        raise UsageError("give one of --har, --openapi and --urls")
    if options.html is not None and not options.html.absolute().parent.is_dir():
        raise UsageError(f"--html: there is no folder {options.html.absolute().parent}")
    if options.origins and options.har is None:
        raise UsageError("--origin requires --har: of other sources only path and query are used")
    if (options.config is None) is not (options.migration is None):
        raise UsageError("--config and --migration go together: rules belong to a migration")


def given_fields(headers: list[str]) -> list[tuple[str, str]]:
    fields: list[tuple[str, str]] = []
    for text in headers:
        name, colon, value = text.partition(":")
        try:
            kept, _ = fields_of([(name.strip(), value.strip())] if colon else [])
        except ValueError as error:
            raise UsageError(f"-H: {error}") from None
        if not kept:
            raise UsageError(f"-H {name.strip()!r}: expected 'NAME: VALUE' of a header that a client may choose")
        fields += kept
    return fields


def prepare(options: Options) -> tuple[Rules, float, Results]:
    """The rules, the seconds after which a mismatch is confirmed, and the results, still empty."""
    recording = _recording(options)
    urls = (options.legacy, options.extracted)
    recording.only_methods(_methods(options.methods))
    if options.config is None or options.migration is None:
        name = str(options.har or options.openapi or options.urls)
        return DEFAULT_RULES, Shadow().confirm_after, Results(recording, name, urls)
    loaded = load(options.config)
    if options.migration not in loaded.model.migrations:
        known = ", ".join(loaded.model.migrations) or "none"
        raise UsageError(f"{options.config} has no migration {options.migration!r}; known: {known}")
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
        hint = "; it must be a file: download the URL first" if is_url else ""
        raise RecordingError(f"{error.filename}: {error.strerror}{hint}") from None


def _origins(texts: list[str]) -> frozenset[str]:
    try:
        return frozenset(map(parse_origin, texts))
    except ValueError as error:
        raise UsageError(f"--origin: {error}") from None


def _methods(text: str | None) -> frozenset[str]:
    if text is None:
        return COMPARABLE
    try:
        return frozenset(parse_method(name.strip().upper()) for name in text.split(","))
    except ValueError as error:
        raise UsageError(f"--methods: {error}") from None
