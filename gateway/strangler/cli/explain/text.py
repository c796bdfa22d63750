"""An explanation as lines for people."""

from __future__ import annotations

from collections.abc import Iterator

from strangler.cli.explain.explanation import Explanation
from strangler.cli.explain.policies import policy_lines

_SHOWN = 12
"""Other routes that are listed; `--json` has all."""


def lines_of(explanation: Explanation) -> Iterator[str]:
    """The request, then what becomes of it, a title and a value a line."""
    yield explanation.request
    for title, value in _entries(explanation):
        yield f"  {title:<10} {value}"


def _entries(found: Explanation) -> Iterator[tuple[str, str]]:
    if found.match is not None:
        yield "route", f"{found.route}  ({found.match})  at {found.source}"
    elif found.route is not None:
        yield "route", "no route matches: the default upstream serves it"
    yield "caller", found.caller or "anonymous"
    if found.migration is not None:
        percent = "" if found.migration.percent is None else f" at {found.migration.percent:g} %"
        yield "migration", f"{found.migration.name}, stage {found.migration.stage}{percent}"
    if found.side is not None:
        yield "side", f"{found.side}: {_why(found)}"
    if found.refused is not None:
        yield "refused", f"{found.refused.status} {found.refused.detail}"
    elif found.answered is not None:
        yield "responds", f"{found.answered.status} to {found.answered.detail}"
    else:
        yield "upstream", f"{found.upstream}  ({', '.join(found.endpoints)})"
    if found.sent is not None:
        yield "sent as", found.sent
    if found.policies is not None:
        yield from policy_lines(found.policies)
    yield from _list("request +", found.request_headers_added)
    yield from _list("request -", found.request_headers_removed)
    yield from _list("response +", found.response_headers_added)
    yield from _list("response -", found.response_headers_removed)
    yield from _list("others", [f"{other.route}: {other.reason}" for other in found.others[:_SHOWN]])
    if len(found.others) > _SHOWN:
        yield "", f"and {len(found.others) - _SHOWN} more (--json shows all)"


def _why(found: Explanation) -> str:
    migration = found.migration
    assert migration is not None, "only a migration has sides"
    if migration.bucket is None:
        return str(migration.reason)
    below = "is" if found.side == "extracted" else "is not"
    return f"bucket {migration.bucket} by {migration.sticky} {below} below {migration.threshold} of 10000"


def _list(title: str, values: list[str]) -> Iterator[tuple[str, str]]:
    for number, value in enumerate(values):
        yield title if number == 0 else "", value
