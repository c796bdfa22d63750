"""A text stream whose writer never waits: a thread writes to the descriptor, from a bounded buffer.

Standard error may be a pipe that is read slowly or not at all, a terminal that
is stopped with Ctrl-S, or a disk that hangs, and would block a process that
writes to it directly. Here lines that do not fit into the buffer are dropped
and counted, and once the descriptor accepts bytes again, a line reports how
many are missing.
"""

from __future__ import annotations

import atexit
import io
import os
import sys
import threading
from collections import deque
from collections.abc import Callable
from time import monotonic

from strangler.observe.line_writer import LineWriter

WAITING_BYTES = 1 << 20
"""Maximum bytes that wait to be written."""
LAST_WRITES = 1.0
"""Maximum seconds for which the end of the process waits for lines that are not written yet."""


class BackgroundStream(io.TextIOBase):
    """Text for `descriptor`; `about_dropped` makes the line that reports how many lines were dropped."""

    def __init__(
        self,
        descriptor: int,
        about_dropped: Callable[[int], str] = "{} lines were dropped here".format,
        waiting_bytes: int = WAITING_BYTES,
    ) -> None:
        super().__init__()
        self.dropped = 0
        self.about_dropped = about_dropped
        self._descriptor = descriptor
        self._waiting_bytes = waiting_bytes
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._unreported = 0
        self._partial = ""
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._writing: float | None = None

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Always UTF-8; lone surrogates are escaped."""
        return "utf-8"

    def writable(self) -> bool:
        """It is."""
        return True

    def fileno(self) -> int:
        """The descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Whether the descriptor is a terminal."""
        return os.isatty(self._descriptor)

    def write(self, text: str) -> int:
        """Buffer `text`; whole lines are written, the rest waits for its newline."""
        with self._changed:
            *lines, self._partial = (self._partial + text).split("\n")
            for line in lines:
                self._put(line)
            if len(self._partial) > self._waiting_bytes:
                self._put(self._partial)
                self._partial = ""
            self._changed.notify_all()
        return len(text)

    def blocked_for(self) -> float:
        """For how many seconds a write to the descriptor has been blocked."""
        since = self._writing
        return 0.0 if since is None else monotonic() - since

    def _put(self, line: str) -> None:
        data = line.encode("utf-8", "backslashreplace") + b"\n"
        if self._size + len(data) > self._waiting_bytes:
            self.dropped += 1
            self._unreported += 1
            return
        self._waiting.append(data)
        self._size += len(data)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="event-log", daemon=True)
            self._thread.start()

    def finish(self, seconds: float = LAST_WRITES) -> None:
        """Wait until everything is written, at most `seconds`."""
        end = monotonic() + seconds
        with self._changed:
            if self._partial:
                self._put(self._partial)
                self._partial = ""
                self._changed.notify_all()
            while self._waiting or self._writing is not None:
                if not self._changed.wait(max(0.0, end - monotonic())):
                    return

    def _work(self) -> None:
        try:
            writer = LineWriter(self._descriptor)
        except OSError:
            # It is closed: all lines are dropped.
            writer = None
        while True:
            with self._changed:
                self._writing = None
                self._changed.notify_all()
                while not self._waiting:
                    self._changed.wait()
                # One line at a time: a pipe does not interleave the writes of several processes, up to 4 KiB (pipe(7)).
                line = self._waiting.popleft()
                self._writing = monotonic()
                unreported = self._unreported if not self._waiting else 0
                self._unreported -= unreported
            dropped = 1 if writer is None else writer.write(line)
            if unreported and writer is not None:
                writer.write(self.about_dropped(unreported).encode() + b"\n")
            with self._changed:
                self._size -= len(line)
                self.dropped += dropped
                self._unreported += dropped


def use_for_standard_error() -> BackgroundStream:
    """Have a thread write all that this process sends to standard error, tracebacks included."""
    if not isinstance(sys.stderr, BackgroundStream):
        sys.stderr = BackgroundStream(2)
        atexit.register(sys.stderr.finish)
    return sys.stderr
