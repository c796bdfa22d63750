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


def _entries(explanation: Explanation) -> Iterator[tuple[str, str]]:
    if explanation.match is not None:
        yield "route", f"{explanation.route}  ({explanation.match})  at {explanation.source}"
    elif explanation.route is not None:
        yield "route", "no route matches: the default upstream serves it"
    yield "caller", explanation.caller or "anonymous"
    if explanation.migration is not None:
        percent = "" if explanation.migration.percent is None else f" at {explanation.migration.percent:g} %"
        yield "migration", f"{explanation.migration.name}, stage {explanation.migration.stage}{percent}"
    if explanation.side is not None:
        yield "side", f"{explanation.side}: {_why(explanation)}"
    if explanation.refused is not None:
        yield "refused", f"{explanation.refused.status} {explanation.refused.detail}"
    elif explanation.answered is not None:
        yield "responds", f"{explanation.answered.status} to {explanation.answered.detail}"
    else:
        yield "upstream", f"{explanation.upstream}  ({', '.join(explanation.endpoints)})"
    if explanation.sent is not None:
        yield "sent as", explanation.sent
    if explanation.policies is not None:
        yield from policy_lines(explanation.policies)
    yield from _list("request +", explanation.request_headers_added)
    yield from _list("request -", explanation.request_headers_removed)
    yield from _list("response +", explanation.response_headers_added)
    yield from _list("response -", explanation.response_headers_removed)
    yield from _list("others", [f"{other.route}: {other.reason}" for other in explanation.others[:_SHOWN]])
    if len(explanation.others) > _SHOWN:
        yield "", f"and {len(explanation.others) - _SHOWN} more (--json shows all)"


def _why(explanation: Explanation) -> str:
    migration = explanation.migration
    assert migration is not None, "only a migration has sides"
    if migration.bucket is None:
        return str(migration.reason)
    below = "is" if explanation.side == "extracted" else "is not"
    return f"bucket {migration.bucket} by {migration.sticky} {below} below {migration.threshold} of 10000"


def _list(title: str, values: list[str]) -> Iterator[tuple[str, str]]:
    for number, value in enumerate(values):
        yield title if number == 0 else "", value
