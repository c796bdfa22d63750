"""The differences of one pair by signature, and those that show the value of another field."""

from __future__ import annotations

from collections.abc import Iterable

from strangler.comparison.difference import Difference, DifferenceKind
from strangler.shadow.noise.place import LOOKED_AT

_LONG_ENOUGH = 8
"""Minimum characters of values that are not equal by chance."""


def grouped(differences: Iterable[Difference]) -> dict[str, list[Difference]]:
    """Return the differences by signature: a difference in many elements of a pair counts once."""
    by_signature: dict[str, list[Difference]] = {}
    for difference in differences:
        by_signature.setdefault(difference.signature, []).append(difference)
    return by_signature


def copied(by_signature: dict[str, list[Difference]]) -> frozenset[str]:
    """Return signatures whose candidate value equals that of another one in the pair, while legacy's two differ."""
    by_value: dict[str, list[tuple[str, str | None]]] = {}
    for signature, group in by_signature.items():
        for one in group[:LOOKED_AT]:
            if one.kind is DifferenceKind.VALUE and one.extracted is not None and len(one.extracted) >= _LONG_ENOUGH:
                by_value.setdefault(one.extracted.strip('"'), []).append((signature, one.legacy))
    return frozenset(
        signature
        for holders in by_value.values()
        if len({signature for signature, _ in holders}) > 1 and len({legacy for _, legacy in holders}) > 1
        for signature, _ in holders
    )
