"""The periods that traffic is counted by, and for how long the counts are kept."""

from __future__ import annotations

from strangler.observe.route_callers import DAY

HOUR = 3600
HOURS = 168
"""Hours of a week."""
KEPT_DAYS = 8
"""A week, and the day that is not over."""

__all__ = ["DAY", "HOUR", "HOURS", "KEPT_DAYS"]
