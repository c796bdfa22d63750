"""Why an exchange that is observed tells nothing about a side."""

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
