"""One page of a list, with links to its neighbours."""

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlencode

from django.db.models import Model, QuerySet

from shop.api.requests import Query

DEFAULT_PAGE_SIZE = 20
MAX_PAGE_SIZE = 100
MAX_PAGE = 999999

Row = TypeVar("Row", bound=Model)


class Page:
    """The page that a query asks for. Make it after the other parameters were read, before `check`."""

    def __init__(self, path: str, query: Query) -> None:
        self._path = path
        self._query = query
        self.number = query.whole_number("page", MAX_PAGE, 1)
        self.size = query.whole_number("page_size", MAX_PAGE_SIZE, DEFAULT_PAGE_SIZE)

    def of(self, rows: "QuerySet[Row]", represent: Callable[[Row], dict[str, Any]]) -> dict[str, Any]:
        """The envelope of API.md around this page of `rows`."""
        count = rows.count()
        pages = -(-count // self.size)
        first = (self.number - 1) * self.size
        return {
            "count": count,
            "page": self.number,
            "page_size": self.size,
            "pages": pages,
            "next": self._link(self.number + 1) if self.number < pages else None,
            "previous": self._link(min(self.number - 1, max(pages, 1))) if self.number > 1 else None,
            "results": [represent(row) for row in rows[first : first + self.size]],
        }

    def _link(self, number: int) -> str:
        given = {
            name: value for name, value in self._query.given.items() if name not in ("page", "page_size")
        }
        given["page"] = str(number)
        if "page_size" in self._query.given:
            given["page_size"] = self._query.given["page_size"]
        return f"{self._path}?{urlencode(given)}"
