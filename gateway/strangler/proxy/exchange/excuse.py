"""What an observer is told where an exchange ends by no doing of the side that it went to."""

from __future__ import annotations

from enum import Enum, auto


class Excuse(Enum):
    """Why an exchange tells nothing about the side that it went to."""

    CLIENT_GONE = auto()
    REQUEST_INCOMPLETE = auto()
    OTHER_SIDE = auto()
    """The other side of the migration responds in place of this one."""
    SHUTDOWN = auto()
    NO_DESCRIPTORS = auto()
