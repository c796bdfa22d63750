"""Tells when one of the watched files has changed.

Folders are watched, not files: editors and ConfigMaps replace a file by
renaming another one, or a symbolic link, over it, which a watch on the file
itself would miss.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from watchfiles import awatch

DEBOUNCE_MILLISECONDS = 200
MISSING_WAIT = 0.5


def digests(files: Sequence[Path]) -> dict[str, str]:
    """What is in `files` now, by their paths as given; to be compared later."""
    return {str(file): _digest(file) for file in files}


async def watch(files: Sequence[Path], before: Mapping[str, str]) -> dict[str, str]:
    """Return what is in `files` when it is not what was there `before` any more.

    What changed between two calls is seen as well, if each gets what the one
    before it returned. Files that are new among `files` count as they are now.
    """
    known = {**digests(files), **{file: digest for file, digest in before.items() if Path(file) in files}}
    while True:
        folders = {file if file.is_dir() else file.parent for file in files}
        folders |= {file.resolve().parent for file in files}
        try:
            async for _ in awatch(
                *folders, debounce=DEBOUNCE_MILLISECONDS, recursive=False, rust_timeout=1000, yield_on_timeout=True
            ):
                now = digests(files)
                if now != known:
                    return now
            return known
        except OSError:
            # A folder is not there, as while it is replaced: what it holds is looked at all the same.
            await asyncio.sleep(MISSING_WAIT)
            now = digests(files)
            if now != known:
                return now


def _digest(file: Path) -> str:
    try:
        if file.is_dir():
            return "".join(_digest(inside) for inside in sorted(file.iterdir()) if inside.is_file())
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return ""
