"""Waiting for a condition, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def wait_for(condition: Callable[[], Found], what: str, deadline: float = 60.0) -> Found:
    """The first true value of `condition`; fails, naming `what`, after `deadline` seconds."""
    end = time.monotonic() + deadline
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, f"waited {deadline:g} s in vain for {what}"
        time.sleep(0.01)
