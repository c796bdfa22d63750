"""What a list of products may be asked for, and the page of it that is answered."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlencode

T = TypeVar("T")

# In the order in which errors and links name them.
PARAMETERS = ("category", "q", "min_price", "max_price", "in_stock", "ordering", "page", "page_size")
ORDERINGS = ("id", "-id", "name", "-name", "price", "-price", "created_at", "-created_at")
MAX_TEXT = 100
DEFAULT_PAGE_SIZE = 20

# Control characters, and halves of surrogate pairs, which no UTF-8 can carry.
UNCLEAN = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
AMOUNT = re.compile(r"([0-9]{1,8})(?:\.([0-9]{1,2}))?")
PAGE = re.compile(r"[1-9][0-9]{0,5}")
PAGE_SIZE = re.compile(r"[1-9][0-9]?|100")


@dataclass(frozen=True, slots=True)
class Listing:
    """What is asked for. None is no condition; prices are in cents and inclusive."""

    category: str | None
    text: str | None
    min_price: int | None
    max_price: int | None
    in_stock: bool | None
    ordering: str
    page: int
    page_size: int
    given: tuple[tuple[str, str], ...]
    """The parameters as they were given, for links to other pages."""

    def link(self, path: str, page: int) -> str:
        """Path and query of another page of the same."""
        values = dict(self.given) | {"page": str(page)}
        return f"{path}?{urlencode([(name, values[name]) for name in PARAMETERS if name in values])}"


def read_listing(query: Mapping[str, str]) -> tuple[Listing, dict[str, str]]:
    """What is asked for, and what is wrong with which parameter. If anything is, the rest is of no use."""
    given = {name: query[name] for name in PARAMETERS if name in query}
    if "q" in given:
        given["q"] = given["q"].strip()
        if not given["q"]:
            del given["q"]
    problems: dict[str, str] = {}

    def read(name: str, parse: Callable[[str], T | None], default: T, problem: str) -> T:
        if name not in given:
            return default
        value = parse(given[name])
        if value is None:
            problems[name] = problem
            return default
        return value

    amount = "must be an amount such as 12.50"
    listing = Listing(
        category=given.get("category"),
        text=read("q", _text, None, f"must be at most {MAX_TEXT} characters without control characters"),
        min_price=read("min_price", _cents, None, amount),
        max_price=read("max_price", _cents, None, amount),
        in_stock=read("in_stock", {"true": True, "false": False}.get, None, "must be true or false"),
        ordering=read("ordering", _ordering, "id", f"must be one of {', '.join(ORDERINGS)}"),
        page=read("page", _number(PAGE), 1, "must be a whole number from 1 to 999999"),
        page_size=read("page_size", _number(PAGE_SIZE), DEFAULT_PAGE_SIZE, "must be a whole number from 1 to 100"),
        given=tuple(given.items()),
    )
    return listing, problems


def envelope(path: str, listing: Listing, count: int, results: list[dict[str, object]]) -> dict[str, object]:
    """One page of `count` products, as they are shown, with links to its neighbours."""
    pages = -(-count // listing.page_size)
    page = listing.page
    return {
        "count": count,
        "page": page,
        "page_size": listing.page_size,
        "pages": pages,
        "next": listing.link(path, page + 1) if page < pages else None,
        # From beyond the end it leads to the last page there is.
        "previous": listing.link(path, min(page - 1, max(pages, 1))) if page > 1 else None,
        "results": results,
    }


def _text(value: str) -> str | None:
    return value if len(value) <= MAX_TEXT and not UNCLEAN.search(value) else None


def _cents(value: str) -> int | None:
    found = AMOUNT.fullmatch(value)
    return int(found[1]) * 100 + int((found[2] or "").ljust(2, "0")) if found else None


def _ordering(value: str) -> str | None:
    return value if value in ORDERINGS else None


def _number(form: re.Pattern[str]) -> Callable[[str], int | None]:
    return lambda value: int(value) if form.fullmatch(value) else None
