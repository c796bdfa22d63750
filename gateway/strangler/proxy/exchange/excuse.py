"""The reasons why an exchange ends that are not a failure of the side that served it."""

from __future__ import annotations

from enum import Enum, auto


class Excuse(Enum):
    """Why an exchange is no evidence about the side that served it."""

    CLIENT_GONE = auto()
    REQUEST_INCOMPLETE = auto()
    OTHER_SIDE = auto()
    """The other side of the migration responds in place of this one."""
    SHUTDOWN = auto()
    NO_DESCRIPTORS = auto()
