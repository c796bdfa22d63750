"""Deliberately wrong answers, for seeing whether whoever compares the service with the monolith notices.

Off unless `CATALOG_BUG` names one, and nothing for a service that anybody depends on.
"""

from __future__ import annotations

from dataclasses import replace

from catalog_service.listing import Listing
from catalog_service.products import Product

DROPPED_FIELD = "dropped-field"
"""Products don't say their currency."""
ROUNDING = "rounding"
"""Prices are rounded to whole euros."""
LOST_FILTER = "lost-filter"
"""Lists hold products that are out of stock, too, whatever was asked for."""

BUGS = (DROPPED_FIELD, ROUNDING, LOST_FILTER)


def asked(bug: str, listing: Listing) -> Listing:
    """What is looked for instead of `listing`."""
    return replace(listing, in_stock=None) if bug == LOST_FILTER else listing


def shown(bug: str, product: Product) -> dict[str, object]:
    """What is shown instead of `product`."""
    if bug == ROUNDING:
        product = replace(product, price_cents=round(product.price_cents, -2))
    values = product.shown()
    if bug == DROPPED_FIELD:
        del values["currency"]
    return values
