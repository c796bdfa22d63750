"""Requests of a recording, by what kind of file it is."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path

from strangler.config.load import load
from strangler.model.methods import COMPARABLE
from strangler.replay.har.reading import read_har
from strangler.replay.openapi.requests import read_openapi
from strangler.replay.operations import only_migration
from strangler.replay.recorded import RecordedRequest, RecordingError
from strangler.replay.url_list import read_url_list

_READERS = {
    ".har": read_har,
    ".txt": read_url_list,
    ".urls": read_url_list,
    ".yaml": read_openapi,
    ".yml": read_openapi,
    ".json": read_openapi,
}


def read_requests(
    file: str | Path,
    methods: Iterable[str] = COMPARABLE,
    config: str | Path | None = None,
    migration: str | None = None,
) -> list[RecordedRequest]:
    """The requests in `file`: an HTTP Archive (.har), URLs (.txt, .urls) or OpenAPI 3 (.yaml, .yml, .json).

    Only those of `methods`, and only those that a route of `migration` in the
    configuration at `config` takes, where these are given. Warns of parts that
    can't be read. Raises RecordingError where there is none, or the file can't
    be read.
    """
    path = Path(file)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise RecordingError(f"{path}: what it holds is not clear from its name; known are {', '.join(_READERS)}")
    try:
        recording = reader(path.read_bytes(), str(path))
    except OSError as error:
        raise RecordingError(f"{path}: {error.strerror}") from None
    recording.only_methods(frozenset(methods))
    if config is not None and migration is not None:
        only_migration(recording, load(Path(config)).snapshot, migration, None)
    if not recording.requests:
        reasons = ", ".join(f"{reason} {count}" for reason, count in recording.skipped.items())
        raise RecordingError(f"{path}: no request in it is to be asked{f' (left out: {reasons})' if reasons else ''}")
    if recording.unreadable:
        first, count = recording.unreadable[0], len(recording.unreadable)
        warnings.warn(f"{path}: {count} of its requests can't be read; the first: {first}", stacklevel=2)
    return recording.requests
