"""Reaps orphans: process 1 of a container becomes the parent of every orphan there, and must wait for its end.

The gateway's own children are waited for where they are started. Any other
child that has ended at two looks in a row, INTERVAL apart, is an orphan.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from pathlib import Path

INTERVAL = 5.0


async def reap_orphans(known: Callable[[], Iterable[int]]) -> None:
    """As process 1, reap children other than the `known` ones, until cancelled; as another process, do nothing."""
    if os.getpid() != 1:
        return
    ended: set[int] = set()
    while True:
        await asyncio.sleep(INTERVAL)
        ended = reap_again(ended, known())


def reap_again(before: set[int], known: Iterable[int]) -> set[int]:
    """Reap the children that had ended `before` and are not `known`. Returns those that have ended since."""
    ended = {pid for pid in children() if _has_ended(pid)} - set(known)
    for pid in ended & before:
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            continue
    return ended - before


def children() -> set[int]:
    """All children of this process, started by any of its threads."""
    pids: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        try:
            pids.update(map(int, (task / "children").read_text().split()))
        except OSError:
            # The thread is gone, or the kernel does not list children.
            continue
    return pids


def _has_ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return False
