"""Compare two JSON documents value by value.

The order of keys and white space are ignored. Elements of lists are aligned
first (`strangler.comparison.alignment`). A number in another spelling is a
difference of its own kind: `1.0` is not `1` for a typed reader, though most
readers don't mind.
"""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Sequence
from decimal import Decimal
from functools import partial

from strangler.comparison.alignment import Alignment, Effort, align, equal_ends, match_by_key, named_alone
from strangler.comparison.difference import DifferenceKind
from strangler.comparison.findings import Findings, FoundDifference, Texts, Values
from strangler.comparison.json.canonical import Numbering
from strangler.comparison.json.document import Path, general_path, path_text, same, size_of, type_of, value_text
from strangler.comparison.json.rule_places import Governed
from strangler.comparison.rules import Rule
from strangler.comparison.tolerances import ABSENT, FloatText, Ignore, Unordered, decimal_of

Indexes = tuple[range, range]

_MOST_TRIALS = 2_500
"""Maximum pairs of elements of an unordered list that are compared to match them."""

MOST_TRIED = 200_000
"""Maximum values in such pairs, over all lists of a pair of bodies: nested lists would multiply the cost."""


def compare_json(legacy: object, extracted: object, findings: Findings, passing: Sequence[Rule] = ()) -> None:
    """Add the differences of two parsed documents to `findings`; the rules `passing` apply to all of them."""
    if not same(legacy, extracted):
        _JsonComparison(findings, legacy, extracted).compare(passing)


class _JsonComparison:
    def __init__(self, findings: Findings, legacy: object, extracted: object) -> None:
        self.findings = findings
        self.effort = Effort()
        self.tries_left = MOST_TRIED
        self.legacy = legacy
        self.extracted = extracted
        self.governed = Governed(findings.rules.json_rules, (legacy, extracted))
        self.rules_at = self.governed.at
        self.exact = Numbering()
        self.numbering = Numbering(self.rules_at) if self.governed else self.exact

    def compare(self, passing: Sequence[Rule]) -> None:
        self._values(None, self.legacy, self.extracted, [*passing, *dict.fromkeys(self.governed.root)])

    def _below(self, rules: Sequence[Rule]) -> list[Rule]:
        """Return the rules that apply below a value to which `rules` apply."""
        return [rule for rule in rules if isinstance(rule.treatment, Ignore)] if rules else []

    def _values(self, path: Path, legacy: object, extracted: object, rules: Sequence[Rule]) -> None:
        one, other = type_of(legacy), type_of(extracted)
        if one != other:
            self.findings.add(_found(path, DifferenceKind.TYPE, (legacy, extracted), f"{one} to {other}"), rules)
        elif isinstance(legacy, dict) and isinstance(extracted, dict):
            self._objects(path, legacy, extracted, self._below(rules))
        elif isinstance(legacy, list) and isinstance(extracted, list):
            self._arrays(path, legacy, extracted, rules)
        elif one == "number":
            kind = _number_kind(legacy, extracted)
            if kind is not None:
                self.findings.add(_found(path, kind, (legacy, extracted)), rules)
        elif legacy != extracted:
            self.findings.add(_found(path, DifferenceKind.VALUE, (legacy, extracted)), rules)

    def _objects(
        self, path: Path, legacy: dict[str, object], extracted: dict[str, object], rules: Sequence[Rule]
    ) -> None:
        for key, value in legacy.items():
            own = self.rules_at(legacy, key)
            if key not in extracted:
                self.findings.add(_found((path, key), DifferenceKind.MISSING, (value, ABSENT)), [*rules, *own])
                continue
            both = {**dict.fromkeys(rules), **dict.fromkeys(own), **dict.fromkeys(self.rules_at(extracted, key))}
            self._values((path, key), value, extracted[key], list(both))
        for key, value in extracted.items():
            if key not in legacy:
                own = self.rules_at(extracted, key)
                self.findings.add(_found((path, key), DifferenceKind.EXTRA, (ABSENT, value)), [*rules, *own])

    def _arrays(self, path: Path, legacy: list[object], extracted: list[object], rules: Sequence[Rule]) -> None:
        alignment = self._aligned(legacy, extracted, rules)
        below = self._below(rules)
        for i, j in alignment.pairs:
            if not same(legacy[i], extracted[j]):
                both = dict.fromkeys([*below, *self.rules_at(legacy, i), *self.rules_at(extracted, j)])
                self._values((path, i), legacy[i], extracted[j], list(both))
        if alignment.moved:
            self.findings.add(_found(path, DifferenceKind.ORDER, (legacy, extracted)), rules)
        holders = {DifferenceKind.MISSING: legacy, DifferenceKind.EXTRA: extracted}
        named, folded = named_alone(
            alignment,
            (len(legacy), len(extracted)),
            lambda kind, index: bool(below or self.rules_at(holders[kind], index)),
        )
        for kind, index in named:
            values = (legacy[index], ABSENT) if kind is DifferenceKind.MISSING else (ABSENT, extracted[index])
            self.findings.add(_found((path, index), kind, values), [*below, *self.rules_at(holders[kind], index)])
        if folded:
            texts = (f"{len(legacy)} elements", f"{len(extracted)} elements")
            self.findings.add(_found(path, DifferenceKind.LENGTH, (legacy, extracted), texts=texts), rules)

    def _aligned(self, legacy: list[object], extracted: list[object], rules: Sequence[Rule]) -> Alignment:
        """Match the elements between the equal beginning and the equal end."""
        first, ends = equal_ends(legacy, extracted, same)
        indexes = range(first, ends[0]), range(first, ends[1])
        for rule in rules:
            if isinstance(rule.treatment, Unordered) and not rule.expired(self.findings.today):
                key = rule.treatment.key
                pair = self._as_set if key is None else partial(self._by_key, key)
                return pair(legacy, extracted, indexes).shifted(first)
        sides = {True: legacy, False: extracted}
        return align(
            [self.numbering.element(legacy, index) for index in indexes[0]],
            [self.numbering.element(extracted, index) for index in indexes[1]],
            self.effort,
            lambda is_legacy, index: json.dumps(sides[is_legacy][first + index], sort_keys=True),
        ).shifted(first)

    def _by_key(self, field: str, legacy: list[object], extracted: list[object], indexes: Indexes) -> Alignment:
        """Match the elements with equal key fields; those without the field match if they are equal as a whole."""

        def key(element: object) -> Hashable:
            keyed = isinstance(element, dict) and field in element
            return keyed, self.exact.number(element[field] if isinstance(element, dict) and keyed else element)

        return match_by_key([key(legacy[i]) for i in indexes[0]], [key(extracted[j]) for j in indexes[1]])

    def _as_set(self, legacy: list[object], extracted: list[object], indexes: Indexes) -> Alignment:
        """Match equal elements first, then those of the same identity, then those that differ least."""
        equal = match_by_key(
            [self.exact.number(legacy[i]) for i in indexes[0]], [self.exact.number(extracted[j]) for j in indexes[1]]
        )
        first = indexes[0].start
        identities = match_by_key(
            [self.numbering.element(legacy, first + i).identity or ("none", i) for i in equal.missing],
            [self.numbering.element(extracted, first + j).identity or ("no", j) for j in equal.extra],
        )
        pairs = [(equal.missing[i], equal.extra[j]) for i, j in identities.pairs]
        missing, extra = (
            set(alone) - {pair[side] for pair in pairs} for side, alone in enumerate((equal.missing, equal.extra))
        )
        tried = len(extra) * sum(size_of(legacy[first + i]) for i in missing)
        tried += len(missing) * sum(size_of(extracted[first + j]) for j in extra)
        if len(missing) * len(extra) <= _MOST_TRIALS and tried <= self.tries_left:
            self.tries_left -= tried
            trials = sorted(
                (self._differing(legacy, first + i, extracted, first + j), abs(i - j), i, j)
                for i in missing
                for j in extra
            )
            for _, _, i, j in trials:
                if i in missing and j in extra:
                    missing.remove(i)
                    extra.remove(j)
                    pairs.append((i, j))
        moved = [*equal.moved, *((i, j) for i, j in pairs if i != j)]
        return Alignment(sorted(equal.pairs + pairs), moved, sorted(missing), sorted(extra))

    def _differing(self, legacy: list[object], i: int, extracted: list[object], j: int) -> int:
        """Return how many differences between two elements would matter."""
        kept = self.findings
        self.findings = Findings(kept.rules, kept.today)
        try:
            rules = dict.fromkeys([*self.rules_at(legacy, i), *self.rules_at(extracted, j)])
            self._values(None, legacy[i], extracted[j], list(rules))
            return len(self.findings.differences)
        finally:
            self.findings = kept


def _found(
    path: Path, kind: DifferenceKind, values: Values, change: str = "", texts: Texts | None = None
) -> FoundDifference:
    shown = texts or (value_text(values[0]), value_text(values[1]))
    return FoundDifference(path_text(path), kind, values, shown, general_path(path), change)


def _number_kind(legacy: object, extracted: object) -> DifferenceKind | None:
    """Return how two numbers differ; None if they are spelled alike.

    Fractions that are equal as doubles differ in form only. Integers never do:
    ids may have more digits than a double keeps.
    """
    if isinstance(legacy, FloatText) and isinstance(extracted, FloatText):
        if legacy.text == extracted.text:
            return None
    elif isinstance(legacy, int) and isinstance(extracted, int):
        return None if legacy == extracted else DifferenceKind.VALUE
    one, other = decimal_of(legacy), decimal_of(extracted)
    if one is None or other is None:
        return DifferenceKind.VALUE
    if one == other:
        return DifferenceKind.NUMBER_FORM
    if _is_whole(one) or _is_whole(other):
        return DifferenceKind.VALUE
    as_doubles = float(one), float(other)
    same = as_doubles[0] == as_doubles[1] and math.isfinite(as_doubles[0])
    return DifferenceKind.NUMBER_FORM if same else DifferenceKind.VALUE


def _is_whole(number: Decimal) -> bool:
    return number == number.to_integral_value()
