"""A text stream that never makes its writer wait: a thread writes to the descriptor, within a bound in bytes.

Standard error may be a pipe that is read slowly or not at all, a terminal that
is stopped with Ctrl-S, or a disk that hangs. A process that writes to it
directly stands still with it. Here what does not fit is dropped and counted,
and once the descriptor takes bytes again, a line says how many lines are missing.
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
"""Most bytes that wait to be written."""
LAST_WRITES = 1.0
"""Seconds for which the end of the process waits for what has not been written."""


class BackgroundStream(io.TextIOBase):
    """Text for `descriptor`; `about_dropped` makes the line about a number of dropped lines."""

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
        self._unsaid = 0
        self._partial = ""
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._writing: float | None = None

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Always UTF-8; what it can't hold is escaped."""
        return "utf-8"

    def writable(self) -> bool:
        """It is."""
        return True

    def fileno(self) -> int:
        """The descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Whether a person may be watching."""
        return os.isatty(self._descriptor)

    def write(self, text: str) -> int:
        """Take `text`; whole lines go on their way, the rest waits for its end."""
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
        """For how many seconds the descriptor has taken nothing of what waits."""
        since = self._writing
        return 0.0 if since is None else monotonic() - since

    def _put(self, line: str) -> None:
        data = line.encode("utf-8", "backslashreplace") + b"\n"
        if self._size + len(data) > self._waiting_bytes:
            self.dropped += 1
            self._unsaid += 1
            return
        self._waiting.append(data)
        self._size += len(data)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="event-log", daemon=True)
            self._thread.start()

    def finish(self, seconds: float = LAST_WRITES) -> None:
        """Wait until everything is written, `seconds` at the most."""
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
            # It is closed: what is written is dropped.
            writer = None
        while True:
            with self._changed:
                self._writing = None
                self._changed.notify_all()
                while not self._waiting:
                    self._changed.wait()
                # A line at a time: a pipe keeps what several processes write apart, up to 4 KiB (pipe(7)).
                line = self._waiting.popleft()
                self._writing = monotonic()
                unsaid = self._unsaid if not self._waiting else 0
                self._unsaid -= unsaid
            dropped = 1 if writer is None else writer.write(line)
            if unsaid and writer is not None:
                writer.write(self.about_dropped(unsaid).encode() + b"\n")
            with self._changed:
                self._size -= len(line)
                self.dropped += dropped
                self._unsaid += dropped


def use_for_standard_error() -> BackgroundStream:
    """Have all that this process writes to standard error, tracebacks included, written by a thread."""
    if not isinstance(sys.stderr, BackgroundStream):
        sys.stderr = BackgroundStream(2)
        atexit.register(sys.stderr.finish)
    return sys.stderr
