"""Tells when one of the watched files has changed.

Folders are watched, not files: editors and ConfigMaps replace a file by
renaming another one, or a symbolic link, over it, which a watch on the file
itself would miss.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from watchfiles import awatch

DEBOUNCE_MILLISECONDS = 200


async def watch(files: Sequence[Path]) -> frozenset[str]:
    """Return the paths, as given, of those of `files` whose content changed since the call."""
    before = {str(file): _digest(file) for file in files}
    folders = {file if file.is_dir() else file.parent for file in files}
    folders |= {file.resolve().parent for file in files}
    async for _ in awatch(
        *folders, debounce=DEBOUNCE_MILLISECONDS, recursive=False, rust_timeout=1000, yield_on_timeout=True
    ):
        changed = frozenset(str(file) for file in files if _digest(file) != before[str(file)])
        if changed:
            return changed
    return frozenset()


def _digest(file: Path) -> str:
    try:
        if file.is_dir():
            return "".join(_digest(inside) for inside in sorted(file.iterdir()) if inside.is_file())
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return ""
