"""The buckets of all workers of one machine: a table in memory that they share, exact over all of them.

Each key has one place in a set of eight, found by a keyed hash of 64 bits; a
set is read and written under a lock of its own, a record lock of the kernel
(fcntl(2)). Nobody ever waits for one: who finds it taken is told so. The kernel
gives a lock up when its holder dies, so a killed worker leaves none behind.

A bucket that is full again means the same as no bucket, so it gives its place
to a new key. Where all eight of a set are in use, the one that is nearest to
full goes, which is counted as `forgotten`.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import secrets
from hashlib import blake2b

from strangler.resilience.gcra import Rate, Verdict, give_back, take

SETS = 16_384
PLACES = 8
_HEADER = 64
_SECRET = 16
_SET_WORDS = PLACES * 2
_SIZE = _HEADER + SETS * _SET_WORDS * 8


def new_tally() -> int:
    """The descriptor of a new, empty table, for workers to inherit. It takes memory as keys come, 2 MiB at the most."""
    descriptor = os.memfd_create("rate-limits", os.MFD_CLOEXEC)
    os.ftruncate(descriptor, _SIZE)
    os.pwrite(descriptor, secrets.token_bytes(_SECRET), 0)
    return descriptor


class Tally:
    """The table behind `descriptor`, as one worker sees it."""

    def __init__(self, descriptor: int) -> None:
        self.forgotten = 0
        self._descriptor = descriptor
        self._memory = mmap.mmap(descriptor, _SIZE)
        self._secret = self._memory[:_SECRET]
        self._words = memoryview(self._memory)[_HEADER:].cast("Q")

    def take(self, key: str, now: int, rate: Rate, *, locked: bool = True) -> Verdict | None:
        """Take a token of the bucket of `key` at `now` nanoseconds; None where somebody else is at it just now.

        Without `locked` it is done all the same, and may be lost if somebody is.
        """
        number = self._number(key)
        start = number % SETS * _SET_WORDS
        if locked and not self._lock(start):
            return None
        try:
            place, arrival = self._find(number, start)
            verdict = take(arrival, now, rate)
            if verdict.allowed:
                if arrival == 0 and self._words[place + 1] > now:
                    self.forgotten += 1
                self._words[place] = number
                self._words[place + 1] = verdict.arrival
            return verdict
        finally:
            if locked:
                self._unlock(start)

    def give_back(self, key: str, rate: Rate) -> None:
        """Put a token back; where somebody else is at it just now, time alone will."""
        number = self._number(key)
        start = number % SETS * _SET_WORDS
        if not self._lock(start):
            return
        try:
            place, arrival = self._find(number, start)
            if arrival:
                self._words[place + 1] = give_back(arrival, rate)
        finally:
            self._unlock(start)

    def close(self) -> None:
        """Let go of the memory and the descriptor; the table stays for the others."""
        self._words.release()
        self._memory.close()
        os.close(self._descriptor)

    def _number(self, key: str) -> int:
        digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8, key=self._secret).digest()
        return int.from_bytes(digest, "big") or 1

    def _find(self, number: int, start: int) -> tuple[int, int]:
        """The place of `number`, or the one that it may take, and its bucket's number, 0 where it is new."""
        words = self._words
        nearest = start
        for place in range(start, start + _SET_WORDS, 2):
            if words[place] == number:
                return place, words[place + 1]
            if words[place + 1] < words[nearest + 1]:
                nearest = place
        return nearest, 0

    def _lock(self, start: int) -> bool:
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, start)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                return False
            raise
        return True

    def _unlock(self, start: int) -> None:
        fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, start)
