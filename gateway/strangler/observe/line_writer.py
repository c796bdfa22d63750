"""Writes whole lines to a descriptor, even when writes fail.

A full disk takes part of a line; that part is removed again, so that no reader
of the log finds half an object. Where it can't be removed (in a pipe, or where
another process has written behind it), the next line that is written starts on
a new line.
"""

from __future__ import annotations

import os
import select
import stat

_RETRY = 1.0


class LineWriter:
    """Writes to `descriptor`, which may be non-blocking because another process that shares it has set that."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        self._torn = False

    def write(self, lines: bytes) -> int:
        """Write `lines`, each with its newline. Returns how many could not be written."""
        data = b"\n" + lines if self._torn else lines
        view = memoryview(data)
        written = 0
        while written < len(data):
            try:
                written += os.write(self.descriptor, view[written:])
            except BlockingIOError:
                select.select((), (self.descriptor,), (), _RETRY)
            except OSError:
                return self._given_up(data, written)
            else:
                self._torn = False
        return 0

    def _given_up(self, data: bytes, written: int) -> int:
        whole = data.rfind(b"\n", 0, written) + 1
        if written > whole:
            self._torn = not self._take_back(written - whole)
        return data.count(b"\n", whole) - (whole == 0 and data.startswith(b"\n"))

    def _take_back(self, size: int) -> bool:
        """Remove the last `size` bytes that were written, unless others follow; whether that was possible."""
        if not self.is_file:
            return False
        try:
            end = os.lseek(self.descriptor, 0, os.SEEK_CUR)
            if end != os.fstat(self.descriptor).st_size:
                return False
            os.ftruncate(self.descriptor, end - size)
            os.lseek(self.descriptor, end - size, os.SEEK_SET)
        except OSError:
            return False
        return True
