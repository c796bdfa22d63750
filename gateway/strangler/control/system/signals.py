"""The signals that the control process gives a meaning: from its first moment on, and kept from its children.

Without a handler SIGHUP, SIGUSR1 and SIGUSR2 end a process. Who sends them can't
know whether it has installed one already, so they are remembered from the
moment on at which the command knows that it is `run`, and a child is started
with them held back until it ignores them.
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
    """Note the signals that come before `remembered_signals`, in place of being ended by them; Ctrl-C ends at once."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    for number in REMEMBERED:
        signal.signal(number, lambda received, frame: _early.add(received))


def remembered_signals() -> frozenset[int]:
    """Those that have come since `remember_signals`; each is told once."""
    found = frozenset(_early)
    _early.clear()
    return found


@contextmanager
def signals_held() -> Iterator[None]:
    """Start a child in here, which must `ignore_signals`: some are sent to the whole group."""
    global _holders
    _holders += 1
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
    try:
        yield
    finally:
        # Several children may be started at once.
        _holders -= 1
        if not _holders:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)


def ignore_signals() -> None:
    """In a child: the control process decides what these mean. SIGTERM is still held, until `take_sigterm`."""
    for number in OURS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, OURS)


def take_sigterm() -> None:
    """In a child that has a handler for it, or ignores it."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))
