"""An end to one comparison: two bodies of a few kilobytes can be such that comparing them takes minutes.

The process's timer (setitimer(2), ITIMER_VIRTUAL) interrupts whatever Python is
at when the time is up. Signals are handled in the main thread alone, and the
timer's default is to kill, so nothing is limited before `install`.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class TooCostly(Exception):
    """The time was up."""


_running = False


def install() -> None:
    """Have `limited` limit; called in the main thread."""
    signal.signal(signal.SIGVTALRM, _time_is_up)


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise TooCostly in what is done here after that number of seconds of processor time."""
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
