"""The counts of one operation: requests, and each difference seen there."""

from __future__ import annotations

from dataclasses import dataclass, field

from strangler.shadow.noise.place import Place


@dataclass(slots=True)
class Operation:
    """The counts of one operation, by signature; `extra` counts requests sent twice beyond the usual share."""

    compared: int = 0
    asked_twice: int = 0
    extra: int = 0
    places: dict[str, Place] = field(default_factory=dict)
    undecided: bool = field(default=False, compare=False)
    due: int = field(default=0, compare=False)
