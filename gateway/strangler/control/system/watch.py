"""Tells when one of the watched files has changed.

Folders are watched, not files: editors and ConfigMaps replace a file by
renaming another one, or a symbolic link, over it, which a watch on the file
itself would miss. Where the kernel gives no watch (no inotify instances are
left, a file system without), the files are read every POLL seconds instead.
Files are read on threads of this module's own: a file system that hangs holds
up a look at files and nothing else.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic, time
from typing import TypeVar

import structlog
from watchfiles import awatch

log = structlog.get_logger(part="control")

DEBOUNCE_MILLISECONDS = 200
POLL = 0.5
LATE = 15.0
"""Seconds without a look at the files that mean that a change would not be seen."""

Result = TypeVar("Result")


class Watch:
    """Looks at files. `last_look` is when that last succeeded, in seconds since 1970, 0 before the first time."""

    def __init__(self) -> None:
        self.last_look = 0.0
        self._looked = monotonic()
        self._error: str | None = None
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="files")

    async def read(self, work: Callable[[], Result]) -> Result:
        """What `work`, which reads files, comes to."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def problem(self) -> str | None:
        """Why changes of files are not seen, None where they are."""
        since = monotonic() - self._looked
        if since <= LATE:
            return None
        reason = self._error or "the file system does not answer"
        return f"changes of the configuration have not been looked for in {since:.0f} s: {reason}"

    def failed(self, error: Exception) -> None:
        """Note, and log once, why a look has failed."""
        text = f"{type(error).__name__}: {error}"
        if text != self._error:
            log.error("files can't be watched, they are read again and again instead", error=text)
        self._error = text

    async def changed(self, files: Sequence[Path], before: Mapping[str, str]) -> dict[str, str]:
        """Return what is in `files` when it is not what was there `before` any more.

        What changed between two calls is seen as well, if each gets what the one
        before it returned. Files that are new among `files` count as they are now.
        """
        known = {**await self._look(files), **{file: digest for file, digest in before.items() if Path(file) in files}}
        while True:
            try:
                folders = await self.read(lambda: _folders(files))
                async for _ in awatch(
                    *folders, debounce=DEBOUNCE_MILLISECONDS, recursive=False, rust_timeout=1000, yield_on_timeout=True
                ):
                    if (now := await self._look(files)) != known:
                        return now
                return known
            except Exception as error:
                # Such as that a folder is missing while it is replaced: what the files hold is looked at all the same.
                self.failed(error)
                await asyncio.sleep(POLL)
                if (now := await self._look(files)) != known:
                    return now

    async def _look(self, files: Sequence[Path]) -> dict[str, str]:
        found = await self.read(lambda: digests(files))
        self._looked, self.last_look = monotonic(), time()
        return found


def digests(files: Sequence[Path]) -> dict[str, str]:
    """What is in `files` now, by their paths as given; to be compared later."""
    return {str(file): _digest(file) for file in files}


def _folders(files: Sequence[Path]) -> set[Path]:
    return {file if file.is_dir() else file.parent for file in files} | {file.resolve().parent for file in files}


def _digest(file: Path) -> str:
    try:
        if file.is_dir():
            return "".join(_digest(inside) for inside in sorted(file.iterdir()) if inside.is_file())
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return ""
