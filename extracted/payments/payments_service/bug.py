"""Deliberately wrong behaviour, to see whether tests notice.

Off unless `PAYMENTS_BUG` names one, and nothing for a service that anybody depends on.
"""

from __future__ import annotations

NEW_KEYS = "new-keys"
"""Each attempt at the provider has an idempotency key of its own."""
UNSIGNED = "unsigned"
"""The signature of a webhook is not verified."""

BUGS = (NEW_KEYS, UNSIGNED)
