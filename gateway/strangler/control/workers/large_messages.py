"""A large snapshot comes to a worker without its clients waiting for that.

Facts (CPython): unpickling 10,000 routes takes a quarter of a second, three
times as long with the collector looking at them again and again, and letting go
of them another 25 ms; a thread can do both while the event loop goes on, as the
interpreter changes threads between any two byte codes. A collection can't be
interrupted: it takes 130 ms for such a snapshot, so it must never look at one.
`gc.freeze` sees to that for all that lives at the moment. What is then part of a
cycle is never freed, so connections leave none when they end.
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
from strangler.proxy.derived import derive

if TYPE_CHECKING:
    from strangler.model.snapshot import Snapshot
    from strangler.proxy.plane import DataPlane

LARGE = 262_144
"""Bytes from which on a message is decoded aside: a few hundred routes."""
SWITCH_INTERVAL = 0.0005
"""Seconds that a thread at work keeps the interpreter from the event loop meanwhile."""

MOST_GARBAGE = 2
"""How many times as many objects as at first may be frozen before they are all looked at again."""


class LargeMessages:
    """Decodes the messages of one worker; the collector rests from a large one until `settle`."""

    def __init__(self) -> None:
        self._resting = False
        self._expected = 0

    async def decode(self, data: bytes) -> Any:
        """The message in `data`."""
        if len(data) < LARGE:
            return pickle.loads(data)
        self._resting = True
        gc.disable()
        with _sharing_the_interpreter():
            return await asyncio.to_thread(_decoded, data)

    async def settle(self, plane: DataPlane, before: list[Snapshot]) -> None:
        """The newest message was carried out: let go of what served `before`, and have the collector go on."""
        if not self._resting:
            return
        with _sharing_the_interpreter():
            await asyncio.to_thread(_let_go, before)
        gc.freeze()
        frozen = gc.get_freeze_count()
        self._expected = self._expected or frozen
        if frozen > MOST_GARBAGE * self._expected and not any(client.exchange for client in plane.clients):
            # Some of what was frozen may be in use no longer, which is looked for while nobody waits.
            gc.unfreeze()
            gc.collect()
            gc.freeze()
            self._expected = gc.get_freeze_count()
        self.rest_no_more()

    def rest_no_more(self) -> None:
        """Whatever became of the message, the collector goes on."""
        if self._resting:
            self._resting = False
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


def _let_go(held: list[Snapshot]) -> None:
    """Let go of the snapshot that is `held` piece by piece, as the whole would keep the interpreter for too long."""
    snapshot = held.pop()
    index = snapshot.index
    trees = (index.any_host, *index.exact_hosts.values(), *index.suffix_hosts.values())
    parts: list[object] = [*snapshot.routes, *(node for tree in trees for node in tree.nodes())]
    del snapshot, index, trees
    while parts:
        parts.pop()
