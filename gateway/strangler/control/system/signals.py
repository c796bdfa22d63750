"""The control process's signals: none is lost while it starts, and none reaches its children.

Without a handler SIGHUP, SIGUSR1 and SIGUSR2 end a process, and their sender
can't know whether the handler is installed yet. So they are remembered as soon
as the command knows that it is `run`, and children are started with them
blocked until they ignore them.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

REMEMBERED = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
OURS = (*REMEMBERED, signal.SIGINT)
HELD = (*OURS, signal.SIGTERM)

_early: set[int] = set()
_holders = 0


def remember_signals() -> None:
    """Remember signals that come before `remembered_signals` instead of ending; Ctrl-C ends the process at once."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    for number in REMEMBERED:
        signal.signal(number, lambda received, frame: _early.add(received))


def remembered_signals() -> frozenset[int]:
    """The signals that have come since `remember_signals`; each is returned once."""
    received = frozenset(_early)
    _early.clear()
    return received


@contextmanager
def signals_held() -> Iterator[None]:
    """Blocks the signals while a child starts, which must `ignore_signals`: some go to the whole process group."""
    global _holders
    _holders += 1
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
    try:
        yield
    finally:
        # Several children may start at the same time.
        _holders -= 1
        if not _holders:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)


def ignore_signals() -> None:
    """In a child: leave these signals to the control process. SIGTERM stays blocked until `take_sigterm`."""
    for number in OURS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, OURS)


def take_sigterm() -> None:
    """In a child that has a handler for SIGTERM, or ignores it: unblock it."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))
