"""Stored pairs under other rules: what these would hide, and what they would no longer hide.

Only pairs whose values are stored can be compared again. Redacted values are
the same on both sides, so what differed in them alone is not seen here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from strangler.comparison.compare import Comparison, Outcome, compare
from strangler.comparison.response import Response
from strangler.comparison.rules import Rules

_STALE = frozenset({"content-length", "transfer-encoding"})


@dataclass(slots=True)
class Rejudged:
    """What other rules make of stored pairs; `hidden` and `found` map a signature to (rule, pairs) and pairs."""

    pairs: int = 0
    without_values: int = 0
    outcomes: dict[tuple[str, str], int] = field(default_factory=dict)
    hidden: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    found: dict[str, list[int]] = field(default_factory=dict)


def rejudge(stored: Iterable[Mapping[str, Any]], rules: Rules) -> Rejudged:
    """Compare `stored` pairs by `rules`."""
    rejudged = Rejudged()
    for pair in stored:
        rejudged.pairs += 1
        comparison = again(pair, rules)
        if comparison is None:
            rejudged.without_values += 1
            continue
        change = (str(pair["outcome"]), str(comparison.outcome))
        rejudged.outcomes[change] = rejudged.outcomes.get(change, 0) + 1
        before = {one["signature"] for one in pair["differences"]}
        after = {one.signature for one in comparison.differences}
        passed = {one.signature: rule for one, rule in comparison.ignored}
        for signature in sorted(before - after):
            rule = passed.get(signature, "is not compared any more")
            rejudged.hidden.setdefault(signature, {}).setdefault(rule, []).append(pair["id"])
        for signature in sorted(after - before):
            rejudged.found.setdefault(signature, []).append(pair["id"])
    return rejudged


def again(pair: Mapping[str, Any], rules: Rules) -> Comparison | None:
    """The comparison of a stored pair by `rules`; None where its values are not stored."""
    legacy, extracted = (_answer(pair[side]) for side in ("legacy", "extracted"))
    if legacy is None or extracted is None:
        return None
    comparison = compare(legacy, extracted, rules)
    return None if comparison.outcome is Outcome.NOT_COMPARED else comparison


def _answer(side: Mapping[str, Any]) -> Response | None:
    if side.get("body") is None:
        return None
    headers = tuple(
        (name.encode("latin-1"), value.encode("latin-1"))
        for name, value in side["headers"]
        if name.lower() not in _STALE
    )
    return Response(side["status"], headers, side["body"].encode())
