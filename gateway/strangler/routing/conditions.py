"""Whether a route's header and query conditions hold for a request that servers may read differently.

Facts: of several query parameters of one name Django takes the last, Go the
first, Express all. Some servers split a query at `;`, too, and some drop white
space or `[]` from a name. Several header fields of one name are a list, as is
one with commas (RFC 9110 section 5.3), and CGI-like servers fold `X_Mode` into
`X-Mode`. So a condition holds, does not hold, or is in doubt: some reading has
the value, another has not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

if TYPE_CHECKING:
    from strangler.model.route import FieldMatch
    from strangler.routing.request import Request

_NOT_ALPHANUMERIC = re.compile(rb"[^a-z0-9]+")
_ODD_QUERY = re.compile(r";|\[|%5b|\+|%20|%09|%0[ad]", re.IGNORECASE)
_INDEX = re.compile(r"\[[0-9]*\]")


class InDoubt(Exception):
    """A condition on `what` holds in one reading of the request, and not in another."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


def header_holds(condition: FieldMatch, request: Request) -> bool | None:
    """Whether a header condition holds; None where that is in doubt."""
    exact, others = _header_values(condition.name.encode("latin-1"), request.headers)
    wanted = condition.value
    if wanted is None:
        return True if exact else None if others else False
    if len(exact) == 1 and not others and exact[0] == wanted:
        return True
    members = [member.strip(" \t") for value in (*exact, *others) for member in value.split(",")]
    return None if wanted in members or wanted in exact or wanted in others else False


def _header_values(name: bytes, headers: Sequence[tuple[bytes, bytes]]) -> tuple[list[str], list[str]]:
    """The values of the fields of that name (in lower case), and those of names that a server may fold into it."""
    exact: list[str] = []
    others: list[str] = []
    length, first = len(name), name[0]
    folded = b""
    for key, value in headers:
        # Most fields are left by this line: another spelling is no shorter, and begins with the same letter.
        if len(key) < length or key[0] | 0x20 != first | 0x20:
            continue
        lower = key.lower()
        if lower == name:
            exact.append(value.decode("latin-1"))
            continue
        folded = folded or _NOT_ALPHANUMERIC.sub(b"-", name)
        if _NOT_ALPHANUMERIC.sub(b"-", lower) == folded:
            others.append(value.decode("latin-1"))
    return exact, others


def query_holds(condition: FieldMatch, request: Request) -> bool | None:
    """Whether a query condition holds; None where that is in doubt."""
    exact = request.query_values(condition.name)
    others = _other_query_values(condition.name, request.query) if _ODD_QUERY.search(request.query) else []
    wanted = condition.value
    if wanted is None:
        return True if exact else None if others else False
    values = {*exact, *others}
    if wanted not in values:
        return False
    return True if len(values) == 1 and exact else None


def _other_query_values(name: str, query: str) -> list[str]:
    """What a server finds under `name` that splits at semicolons, or takes another spelling of the name for it."""
    queries = []
    for separator in ("&", "&;"):
        for pair in re.split(f"[{separator}]", query):
            key, _, value = pair.partition("=")
            plain = unquote_plus(key)
            if plain == name and separator == "&":
                continue
            if _INDEX.sub("", plain).strip() == name.strip():
                queries.append(unquote_plus(value))
    return queries
