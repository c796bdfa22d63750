"""What a list of orders may be asked for, and the page of it that is the response."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from orders_service.order import STATUSES

PATH = "/api/orders"
DEFAULT_PAGE_SIZE = 20

# In the order in which errors and links name them.
PARAMETERS = ("status", "page", "page_size")
PAGE = re.compile(r"[1-9][0-9]{0,5}")
PAGE_SIZE = re.compile(r"[1-9][0-9]?|100")


@dataclass(frozen=True, slots=True)
class Listing:
    """What is asked for. No status is every status."""

    status: str | None
    page: int
    page_size: int
    given: tuple[tuple[str, str], ...]
    """The parameters as they were given, for links to other pages."""

    def link(self, page: int) -> str:
        """Path and query of another page of the same."""
        values = dict(self.given) | {"page": str(page)}
        return f"{PATH}?{urlencode([(name, values[name]) for name in PARAMETERS if name in values])}"


def read_listing(query: Mapping[str, str]) -> tuple[Listing, dict[str, str]]:
    """What is asked for, and what is wrong with which parameter. If anything is, the rest is of no use."""
    given = {name: query[name] for name in PARAMETERS if name in query}
    problems: dict[str, str] = {}
    if given.get("status", "pending") not in STATUSES:
        problems["status"] = f"must be one of {', '.join(STATUSES)}"
    page = _number(given.get("page", "1"), PAGE)
    if page is None:
        problems["page"] = "must be a whole number from 1 to 999999"
    page_size = _number(given.get("page_size", str(DEFAULT_PAGE_SIZE)), PAGE_SIZE)
    if page_size is None:
        problems["page_size"] = "must be a whole number from 1 to 100"
    return Listing(given.get("status"), page or 1, page_size or DEFAULT_PAGE_SIZE, tuple(given.items())), problems


def envelope(listing: Listing, count: int, results: list[dict[str, object]]) -> dict[str, object]:
    """One page of `count` orders, as they are shown, with links to its neighbours."""
    pages = -(-count // listing.page_size)
    page = listing.page
    return {
        "count": count,
        "page": page,
        "page_size": listing.page_size,
        "pages": pages,
        "next": listing.link(page + 1) if page < pages else None,
        # From beyond the end it leads to the last page there is.
        "previous": listing.link(min(page - 1, max(pages, 1))) if page > 1 else None,
        "results": results,
    }


def _number(text: str, form: re.Pattern[str]) -> int | None:
    return int(text) if form.fullmatch(text) else None
