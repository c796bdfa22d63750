"""Deliberately wrong responses, to see whether comparisons with the monolith notice.

Off unless `ORDERS_BUG` names one, and nothing for a service that anybody depends on.
"""

from __future__ import annotations

from dataclasses import replace

from orders_service.listing import Listing
from orders_service.order import Order

DROPPED_FIELD = "dropped-field"
"""Orders don't say their currency."""
ROUNDING = "rounding"
"""Unit prices are rounded to whole euros."""
LOST_FILTER = "lost-filter"
"""Lists hold orders of every status, whatever was asked for."""

BUGS = (DROPPED_FIELD, ROUNDING, LOST_FILTER)


def asked(bug: str, listing: Listing) -> Listing:
    """What is looked for instead of `listing`."""
    return replace(listing, status=None) if bug == LOST_FILTER else listing


def shown(bug: str, order: Order) -> dict[str, object]:
    """What is shown instead of `order`."""
    if bug == ROUNDING:
        rounded = (replace(item, unit_price_cents=round(item.unit_price_cents, -2)) for item in order.items)
        order = replace(order, items=tuple(rounded))
    values = order.shown()
    if bug == DROPPED_FIELD:
        del values["currency"]
    return values
