"""A retry budget: retries stay a small share of live traffic, so that they can't become a storm.

Without a budget, every request to a failed upstream would be sent again, and an
upstream that fails under load would get twice the load. Each request adds a
fraction of a retry to the budget, each retry takes a whole one; a small number
per second is allowed in addition, for upstreams with little traffic. (Finagle's
RetryBudget and Envoy's retry_budget do the same.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from strangler.model.resilience import RetryBudget

SECONDS_SAVED = 10.0


class RetryAllowance:
    """The retries that one worker may send to one upstream."""

    __slots__ = ("_counted", "_left", "_most", "_settings", "_settled")

    def __init__(self, settings: RetryBudget, now: float) -> None:
        self._settings = settings
        self._counted = 0
        self._most = max(1.0, settings.minimum * SECONDS_SAVED)
        self._left = self._most if settings.minimum else 0.0
        self._settled = now

    def take(self, now: float, requests: int) -> bool:
        """Return whether a retry may be sent, and count it if so. `requests` is the total number of first attempts."""
        settings = self._settings
        earned = (requests - self._counted) * settings.percent / 100 + (now - self._settled) * settings.minimum
        self._counted = requests
        self._settled = now
        self._left = min(self._most, self._left + earned)
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
