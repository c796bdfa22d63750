"""The guard that is active for a shadow copy, and what it blocked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class GuardViolation(Exception):
    """A shadow copy tried what can't be undone; the text says what. The copy fails instead."""


class Guard:
    """One shadow copy: the connections that are rolled back after it, and how often each kind of effect was blocked."""

    def __init__(self) -> None:
        self.blocked: Counter[str] = Counter()
        self.connections: set[int] = set()

    def __repr__(self) -> str:
        return f"<Guard of {len(self.connections)} connections, blocked {dict(self.blocked)}>"

    def refuse(self, kind: str, what: str) -> GuardViolation:
        """Count an effect that has no harmless substitute, and return the error to raise."""
        self.blocked[kind] += 1
        return GuardViolation(f"a shadow copy must not {what}")


_current: ContextVar[Guard | None] = ContextVar("strangler_guard", default=None)


def current_guard() -> Guard | None:
    """The guard of the request that is being served, None for a client's own request."""
    return _current.get()


@contextmanager
def activated(guard: Guard) -> Iterator[None]:
    """Let `guard` hold for all that runs in this context, also in asynchronous tasks that are started in it."""
    token = _current.set(guard)
    try:
        yield
    finally:
        _current.reset(token)
