"""Matches the elements of two lists, so that an insertion is one difference and not one per later element.

Equal elements at both ends are set aside. The rest is aligned so that matched
elements are as similar as possible and keep their order (Needleman and Wunsch,
1970), if that is cheap; a longer stretch is first split at elements that are
equal on both sides, in their longest common sequence (the idea of the patience
diff). An element that exists unchanged on the other side matches only that one.
The cost is bounded: at most CHEAP comparisons for a stretch and MOST_COMPARED
for all lists of a pair of bodies, and n log n steps for splitting.

Of the unmatched elements, those that are the same element on both sides have
moved. Those in the same position on both sides are one element that changed.

The result does not depend on which list comes first.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from strangler.comparison.difference import DifferenceKind

Item = TypeVar("Item")

CHEAP = 40_000
"""Maximum of one stretch's length times the other's for which all pairs of elements are compared."""

MOST_COMPARED = 20 * CHEAP
"""The same for all stretches of a pair of bodies together; that takes about a second."""

_ALIKE = 0.5
"""Minimum share of equal parts for elements without an identity to match."""


@dataclass(frozen=True, slots=True)
class AlignedElement:
    """The facts about an element for aligning it.

    `whole` is equal for equal elements. `parts` are compared for the similarity
    of two elements; an equal `name` adds a little. `identity` identifies the
    element, if it has one. Elements of a different `family` are never one element
    that changed.
    """

    whole: Hashable
    parts: frozenset[Hashable] = frozenset()
    identity: Hashable | None = None
    family: str = ""
    name: str | None = None


@dataclass(slots=True)
class Effort:
    """The comparisons of elements `left` for a pair of bodies."""

    left: int = MOST_COMPARED

    def take(self, comparisons: int) -> bool:
        """Return whether `comparisons` are cheap and left, and if so count them as done."""
        if comparisons > min(CHEAP, self.left):
            return False
        self.left -= comparisons
        return True


_KEYS: tuple[Callable[[AlignedElement], Hashable | None], ...] = (
    lambda element: element.whole,
    lambda element: element.identity,
)


@dataclass(slots=True)
class Alignment:
    """Indexes into the two lists: matched pairs, those of them that moved, and the unmatched rest."""

    pairs: list[tuple[int, int]] = field(default_factory=list)
    moved: list[tuple[int, int]] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)
    extra: list[int] = field(default_factory=list)

    def shifted(self, by: int) -> Alignment:
        """Return the alignment for lists of which the first `by` elements were set aside."""
        return Alignment(
            [(i + by, j + by) for i, j in self.pairs],
            [(i + by, j + by) for i, j in self.moved],
            [i + by for i in self.missing],
            [j + by for j in self.extra],
        )


def align(
    legacy: Sequence[AlignedElement],
    extracted: Sequence[AlignedElement],
    effort: Effort,
    order: Callable[[bool, int], str] | None = None,
) -> Alignment:
    """Align two lists of elements, within `effort`.

    `order(is_legacy, index)` returns a text for an element: these texts decide
    which list is examined first, if the choice could matter.
    """
    first, (last_legacy, last_extracted) = equal_ends(legacy, extracted, lambda a, b: a.whole == b.whole)
    swapped = len(legacy) > len(extracted)
    if len(legacy) == len(extracted) and first < last_legacy and order is not None:
        swapped = order(True, first) > order(False, first)
    one, other = (extracted, legacy) if swapped else (legacy, extracted)
    last_one, last_other = (last_extracted, last_legacy) if swapped else (last_legacy, last_extracted)
    matched = [(index, index) for index in range(first)]
    stretch = (first, last_one, first, last_other)
    kept = frozenset(element.whole for element in one[first:last_one])
    kept &= {element.whole for element in other[first:last_other]}
    matched += _stretch(one, other, stretch, kept, effort)
    matched += zip(range(last_one, len(one)), range(last_other, len(other)), strict=True)
    moved = _moved(one, other, matched)
    matched += _in_place(one, other, matched, moved)
    pairs = sorted(matched + moved)
    alignment = Alignment(
        pairs=pairs,
        moved=moved,
        missing=sorted(set(range(len(one))) - {i for i, _ in pairs}),
        extra=sorted(set(range(len(other))) - {j for _, j in pairs}),
    )
    return _mirrored(alignment) if swapped else alignment


def match_by_key(legacy: Sequence[Hashable], extracted: Sequence[Hashable]) -> Alignment:
    """Match the elements with equal keys; if there are several, the first with the first."""
    places: dict[Hashable, list[int]] = {}
    for index, key in enumerate(extracted):
        places.setdefault(key, []).append(index)
    for indexes in places.values():
        indexes.reverse()
    alignment = Alignment()
    for index, key in enumerate(legacy):
        waiting = places.get(key)
        if waiting:
            alignment.pairs.append((index, waiting.pop()))
        else:
            alignment.missing.append(index)
    alignment.extra = sorted(index for indexes in places.values() for index in indexes)
    rising = _longest_rising([other for _, other in alignment.pairs])
    alignment.moved = [pair for number, pair in enumerate(alignment.pairs) if number not in rising]
    return alignment


def _mirrored(alignment: Alignment) -> Alignment:
    return Alignment(
        pairs=sorted((j, i) for i, j in alignment.pairs),
        moved=[(j, i) for i, j in alignment.moved],
        missing=alignment.extra,
        extra=alignment.missing,
    )


def equal_ends(
    one: Sequence[Item], other: Sequence[Item], equal: Callable[[Item, Item], bool]
) -> tuple[int, tuple[int, int]]:
    """Return the length of the equal beginning, and the index in each list at which the equal end begins."""
    first, last_one, last_other = 0, len(one), len(other)
    while first < last_one and first < last_other and equal(one[first], other[first]):
        first += 1
    while first < last_one and first < last_other and equal(one[last_one - 1], other[last_other - 1]):
        last_one -= 1
        last_other -= 1
    return first, (last_one, last_other)


Stretch = tuple[int, int, int, int]


def _stretch(
    one: Sequence[AlignedElement],
    other: Sequence[AlignedElement],
    bounds: Stretch,
    kept: frozenset[Hashable],
    effort: Effort,
) -> list[tuple[int, int]]:
    """Return the pairs in a stretch of both lists, in order; `kept` are the elements that both sides have."""
    from_one, to_one, from_other, to_other = bounds
    if effort.take((to_one - from_one) * (to_other - from_other)):
        return _most_alike(one, other, bounds, kept)
    for key in _KEYS:
        anchors = _anchors(
            [key(element) for element in one[from_one:to_one]],
            [key(element) for element in other[from_other:to_other]],
        )
        if anchors:
            pairs: list[tuple[int, int]] = []
            for i, j in [*((from_one + i, from_other + j) for i, j in anchors), (to_one, to_other)]:
                pairs += _stretch(one, other, (from_one, i, from_other, j), kept, effort)
                if i < to_one:
                    pairs.append((i, j))
                from_one, from_other = i + 1, j + 1
            return pairs
    return []


def _anchors(one: Sequence[Hashable | None], other: Sequence[Hashable | None]) -> list[tuple[int, int]]:
    """Return the longest common sequence of keys; of equal keys, the n-th matches the n-th."""
    counted: Counter[Hashable] = Counter()
    places: dict[tuple[Hashable, int], int] = {}
    for index, key in enumerate(other):
        places[key, counted[key]] = index
        counted[key] += 1
    counted.clear()
    common: list[tuple[int, int]] = []
    for index, key in enumerate(one):
        place = places.get((key, counted[key])) if key is not None else None
        counted[key] += 1
        if place is not None:
            common.append((index, place))
    rising = _longest_rising([place for _, place in common])
    return [pair for number, pair in enumerate(common) if number in rising]


def _longest_rising(numbers: Sequence[int]) -> set[int]:
    """Return the indexes of a longest increasing subsequence (by patience sorting, n log n)."""
    tails: list[int] = []
    tail_places: list[int] = []
    before: list[int] = []
    for place, number in enumerate(numbers):
        pile = bisect_left(tails, number)
        before.append(tail_places[pile - 1] if pile else -1)
        tails[pile : pile + 1] = [number]
        tail_places[pile : pile + 1] = [place]
    indexes: set[int] = set()
    place = tail_places[-1] if tail_places else -1
    while place >= 0:
        indexes.add(place)
        place = before[place]
    return indexes


def _most_alike(
    one: Sequence[AlignedElement], other: Sequence[AlignedElement], bounds: Stretch, kept: frozenset[Hashable]
) -> list[tuple[int, int]]:
    """Return the ordered pairs with the greatest sum of similarities; dissimilar elements stay unmatched."""
    from_one, to_one, from_other, to_other = bounds
    rows, columns = one[from_one:to_one], other[from_other:to_other]
    if not rows or not columns:
        return []
    identities = {element.identity for element in rows} & {element.identity for element in columns} - {None}
    likeness = [[_likeness(row, column, bool(identities), kept) for column in columns] for row in rows]
    best = [[0.0] * (len(columns) + 1) for _ in range(len(rows) + 1)]
    for i in range(len(rows) - 1, -1, -1):
        for j in range(len(columns) - 1, -1, -1):
            paired = likeness[i][j] + best[i + 1][j + 1] if likeness[i][j] else 0.0
            best[i][j] = max(best[i + 1][j], best[i][j + 1], paired)
    pairs = []
    i = j = 0
    while i < len(rows) and j < len(columns):
        if likeness[i][j] and best[i][j] == likeness[i][j] + best[i + 1][j + 1]:
            pairs.append((from_one + i, from_other + j))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return pairs


def _likeness(one: AlignedElement, other: AlignedElement, by_identity: bool, kept: frozenset[Hashable]) -> float:
    """Return the similarity of two elements, 0 to 1; 0 if they don't match."""
    if one.whole == other.whole:
        return 1.0
    if one.family != other.family or one.whole in kept or other.whole in kept:
        return 0.0
    if by_identity and one.identity is not None and other.identity is not None:
        return 0.99 if one.identity == other.identity else 0.0
    same = len(one.parts & other.parts)
    share = same / max(1, len(one.parts) + len(other.parts) - same)
    if share >= _ALIKE:
        return share * 0.98
    return 0.1 if one.name is not None and one.name == other.name else 0.0


def _moved(
    one: Sequence[AlignedElement], other: Sequence[AlignedElement], matched: Sequence[tuple[int, int]]
) -> list[tuple[int, int]]:
    """Return pairs of unmatched elements that are the same element in another place."""
    alone_one = sorted(set(range(len(one))) - {i for i, _ in matched})
    alone_other = sorted(set(range(len(other))) - {j for _, j in matched})
    moved: list[tuple[int, int]] = []
    for key in _KEYS:
        rows = [index for index in alone_one if key(one[index]) is not None]
        columns = [index for index in alone_other if key(other[index]) is not None]
        same = match_by_key([key(one[index]) for index in rows], [key(other[index]) for index in columns])
        pairs = [(rows[i], columns[j]) for i, j in same.pairs]
        moved += pairs
        alone_one = sorted(set(alone_one) - {i for i, _ in pairs})
        alone_other = sorted(set(alone_other) - {j for _, j in pairs})
    return moved


def _in_place(
    one: Sequence[AlignedElement],
    other: Sequence[AlignedElement],
    matched: Sequence[tuple[int, int]],
    moved: Sequence[tuple[int, int]],
) -> list[tuple[int, int]]:
    """Return pairs of unmatched elements between the same neighbours, if both sides have equally many there."""
    gone_one = {i for i, _ in moved}
    gone_other = {j for _, j in moved}
    pairs: list[tuple[int, int]] = []
    from_one = from_other = 0
    for i, j in [*sorted(matched), (len(one), len(other))]:
        rows = [index for index in range(from_one, i) if index not in gone_one]
        columns = [index for index in range(from_other, j) if index not in gone_other]
        if len(rows) == len(columns):
            pairs += [pair for pair in zip(rows, columns, strict=True) if one[pair[0]].family == other[pair[1]].family]
        from_one, from_other = i + 1, j + 1
    return pairs


MOST_NAMED = 3
"""Maximum elements on only one side that are reported one by one; beyond it only the lengths are reported."""


def named_alone(
    alignment: Alignment, lengths: tuple[int, int], governed: Callable[[DifferenceKind, int], bool]
) -> tuple[list[tuple[DifferenceKind, int]], bool]:
    """Return the unmatched elements to report, each with its index, and whether to report the lengths instead.

    `governed` is whether a rule applies to an element: those are always reported.
    """
    named: list[tuple[DifferenceKind, int]] = []
    folded = False
    for kind, indexes in ((DifferenceKind.MISSING, alignment.missing), (DifferenceKind.EXTRA, alignment.extra)):
        ruled = [index for index in indexes if governed(kind, index)]
        others = len(indexes) - len(ruled)
        if others > MOST_NAMED and lengths[0] != lengths[1]:
            folded = True
            named += [(kind, index) for index in ruled]
        else:
            named += [(kind, index) for index in indexes]
    return named, folded
