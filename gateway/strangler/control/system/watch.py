"""Notices when one of the watched files has changed.

Folders are watched, not files: editors and ConfigMaps replace a file by
renaming another one, or a symbolic link, over it, which a watch on the file
itself would miss. Where the kernel offers no watch (no inotify instance is
left, or the file system has none), the files are read every POLL seconds
instead. This module has threads of its own to read files, so that a file system
that hangs blocks nothing else.
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
"""Seconds without a look at the files after which changes would be missed."""

Result = TypeVar("Result")


class Watch:
    """Looks at files. `last_look` is when that last succeeded, in seconds since 1970; 0 before the first time."""

    def __init__(self) -> None:
        self.last_look = 0.0
        self._looked = monotonic()
        self._error: str | None = None
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="files")

    async def read(self, work: Callable[[], Result]) -> Result:
        """The result of `work`, which reads files, on a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def problem(self) -> str | None:
        """Why changes of files are missed, None where they are not."""
        since = monotonic() - self._looked
        if since <= LATE:
            return None
        reason = self._error or "the file system does not respond"
        return f"files of the configuration have not been checked for changes for {since:.0f} s: {reason}"

    def failed(self, error: Exception) -> None:
        """Remember, and log once, why a look has failed."""
        text = f"{type(error).__name__}: {error}"
        if text != self._error:
            log.error("files can't be watched, polling them instead", error=text)
        self._error = text

    async def changed(self, files: Sequence[Path], before: Mapping[str, str]) -> dict[str, str]:
        """Wait until `files` differ from `before`. Returns their digests then.

        Changes between two calls are noticed as well, if each call gets what
        the last one returned. A file that is missing in `before` counts as
        unchanged.
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
                # For example, a folder is missing while it is replaced: the files themselves are still checked.
                self.failed(error)
                await asyncio.sleep(POLL)
                if (now := await self._look(files)) != known:
                    return now

    async def _look(self, files: Sequence[Path]) -> dict[str, str]:
        now = await self.read(lambda: digests(files))
        self._looked, self.last_look = monotonic(), time()
        return now


def digests(files: Sequence[Path]) -> dict[str, str]:
    """The digests of `files` now, by their paths as given."""
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
