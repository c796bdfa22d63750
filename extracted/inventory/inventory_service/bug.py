"""Deliberately wrong behaviour, to see whether tests that compare the service with the monolith notice.

Off unless `INVENTORY_BUG` names one, and nothing for a service that anybody depends on.
"""

from __future__ import annotations

OVERSELL = "oversell"
"""More is reserved than there is."""
LOST_RELEASE = "lost-release"
"""A released reservation does not give its stock back."""
ROUNDED_STOCK = "rounded-stock"
"""Stock is shown in whole tens."""

BUGS = (OVERSELL, LOST_RELEASE, ROUNDED_STOCK)
