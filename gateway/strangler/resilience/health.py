"""The result of active checks: an endpoint is down after consecutive failures, up again after successes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from strangler.model.upstream import HealthCheck


@dataclass(slots=True)
class EndpointHealth:
    """The check results of one endpoint so far; it counts as up until checks fail.

    `last` is the latest result, `well` whether it was a success; None before the first.
    """

    up: bool = True
    in_a_row: int = 0
    last: str = "not checked yet"
    well: bool | None = None

    def note(self, good: bool, last: str, check: HealthCheck) -> bool:
        """Record one result; return whether the endpoint went up or down."""
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
