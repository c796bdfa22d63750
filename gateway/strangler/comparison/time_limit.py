"""A time limit for one comparison: comparing two bodies of a few kilobytes can take minutes.

The process's timer (setitimer(2), ITIMER_VIRTUAL) interrupts the Python code when
the time is up. Only the main thread handles signals, and the timer's default
action is to kill the process, so nothing is limited before `install`.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class TooCostly(Exception):
    """The comparison exceeded its time limit."""


_running = False


def install() -> None:
    """Activate `limited`; called in the main thread."""
    signal.signal(signal.SIGVTALRM, _time_is_up)


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise TooCostly in the body of this context after that number of seconds of processor time."""
    global _running
    if signal.getsignal(signal.SIGVTALRM) is not _time_is_up:
        yield
        return
    _running = True
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        _running = False
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def _time_is_up(number: int, frame: FrameType | None) -> None:
    if _running:
        raise TooCostly
