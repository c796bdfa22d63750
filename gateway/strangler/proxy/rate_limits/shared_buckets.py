"""The buckets of all workers of one machine: a table in shared memory, exact across workers.

Each key has one place in a set of eight, found by a keyed hash of 64 bits; a
set is read and written under its own lock, a record lock of the kernel
(fcntl(2)). A worker never waits for a lock: if another worker holds it, the call
returns at once. The kernel releases a lock when its holder dies, so a killed
worker leaves none behind.

A bucket that is full again is equivalent to no bucket, so a new key may take its
place. If all eight buckets of a set are in use, the one nearest to full is
evicted, which is counted as `forgotten`.
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
    """Return the descriptor of a new, empty table for workers to inherit. It grows with its keys up to 2 MiB."""
    descriptor = os.memfd_create("rate-limits", os.MFD_CLOEXEC)
    os.ftruncate(descriptor, _SIZE)
    os.pwrite(descriptor, secrets.token_bytes(_SECRET), 0)
    return descriptor


class Tally:
    """One worker's view of the table behind `descriptor`."""

    def __init__(self, descriptor: int) -> None:
        self.forgotten = 0
        self._descriptor = descriptor
        self._memory = mmap.mmap(descriptor, _SIZE)
        self._secret = self._memory[:_SECRET]
        self._words = memoryview(self._memory)[_HEADER:].cast("Q")

    def take(self, key: str, now: int, rate: Rate, *, locked: bool = True) -> Verdict | None:
        """Take a token from the bucket of `key` at `now` nanoseconds; None if another worker holds the lock.

        Without `locked` the update is made regardless of the lock, and may be lost.
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
        """Put a token back; if another worker holds the lock, the bucket only refills with time."""
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
        """Release the memory and the descriptor; the table remains for the other workers."""
        self._words.release()
        self._memory.close()
        os.close(self._descriptor)

    def _number(self, key: str) -> int:
        digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8, key=self._secret).digest()
        return int.from_bytes(digest, "big") or 1

    def _find(self, number: int, start: int) -> tuple[int, int]:
        """Return the place of `number`, or the one that it may take, and its bucket's number, 0 if it is new."""
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
