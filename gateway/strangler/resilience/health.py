"""What active checks say of an endpoint: down after some failures in a row, up again after some successes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from strangler.model.upstream import HealthCheck


@dataclass(slots=True)
class EndpointHealth:
    """What the checks of one endpoint have found so far; it counts as up until they say otherwise.

    `last` is what the last one found, `well` whether that was good; None before the first.
    """

    up: bool = True
    in_a_row: int = 0
    last: str = "not checked yet"
    well: bool | None = None

    def note(self, good: bool, last: str, check: HealthCheck) -> bool:
        """Take one result in; whether the endpoint went up or down by it."""
        self.last = last
        self.well = good
        if good == self.up:
            self.in_a_row = 0
            return False
        self.in_a_row += 1
        if self.in_a_row < (check.healthy_after if good else check.unhealthy_after):
            return False
        self.up = good
        self.in_a_row = 0
        return True
