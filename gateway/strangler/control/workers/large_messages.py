"""Decodes large snapshots in a worker without blocking its clients.

Facts (CPython): unpickling 10,000 routes takes a quarter of a second, three
times as long while the garbage collector visits them repeatedly, and freeing
them another 25 ms. A thread can do both while the event loop runs, as the
interpreter switches threads between any two byte codes. A collection can't be
interrupted, and takes 130 ms for such a snapshot, so the collector must never
visit one. `gc.freeze` excludes all objects that exist at the moment. A frozen
cycle is never freed, so connections must leave no cycle when they end.
"""

from __future__ import annotations

import asyncio
import gc
import pickle
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from strangler.control import messages
from strangler.proxy.prepared_snapshot import derive

if TYPE_CHECKING:
    from strangler.model.snapshot import Snapshot
    from strangler.proxy.plane import DataPlane

LARGE = 262_144
"""Bytes from which on a message is decoded on a thread: a few hundred routes."""
SWITCH_INTERVAL = 0.0005
"""Seconds for which that thread holds the interpreter before the event loop gets it."""
MOST_GARBAGE = 2
"""Maximum frozen objects, as a multiple of those frozen first, before a collection visits them all."""


class LargeMessages:
    """Decodes the messages of one worker; the collector pauses from a large one until `settle`."""

    def __init__(self) -> None:
        self._paused = False
        self._expected = 0

    async def decode(self, data: bytes) -> Any:
        """The message in `data`."""
        if len(data) < LARGE:
            return pickle.loads(data)
        self._paused = True
        gc.disable()
        with _sharing_the_interpreter():
            return await asyncio.to_thread(_decoded, data)

    async def settle(self, plane: DataPlane, before: list[Snapshot]) -> None:
        """The newest snapshot serves: free the one `before`, and resume the collector."""
        if not self._paused:
            return
        with _sharing_the_interpreter():
            await asyncio.to_thread(_free, before)
        gc.freeze()
        frozen = gc.get_freeze_count()
        self._expected = self._expected or frozen
        if frozen > MOST_GARBAGE * self._expected and not any(client.exchange for client in plane.clients):
            # Some frozen objects may be garbage; they are collected while no client waits.
            gc.unfreeze()
            gc.collect()
            gc.freeze()
            self._expected = gc.get_freeze_count()
        self.resume_collector()

    def resume_collector(self) -> None:
        """Resume the collector if a large message has paused it."""
        if self._paused:
            self._paused = False
            gc.enable()


@contextmanager
def _sharing_the_interpreter() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def _decoded(data: bytes) -> Any:
    message = pickle.loads(data)
    if isinstance(message, messages.Apply):
        return messages.Prepared(message.snapshot, derive(message.snapshot))
    return message


def _free(held: list[Snapshot]) -> None:
    """Free the snapshot in `held` piece by piece: freeing it at once would hold the interpreter for too long."""
    snapshot = held.pop()
    index = snapshot.index
    trees = (index.any_host, *index.exact_hosts.values(), *index.suffix_hosts.values())
    parts: list[object] = [*snapshot.routes, *(node for tree in trees for node in tree.nodes())]
    del snapshot, index, trees
    while parts:
        parts.pop()
