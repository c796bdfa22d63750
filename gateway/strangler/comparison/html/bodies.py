"""Compare two pages as trees.

Paths are as in XPath: `/html/body/ul/li[2]/@class`, `/html/body/p/text()`. A
path has an index if the parent has more than one child of the kind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import NamedTuple

from strangler.comparison.alignment import AlignedElement, Alignment, Effort, align, match_by_key, named_alone
from strangler.comparison.difference import MOST_TEXT, DifferenceKind, shown
from strangler.comparison.findings import Findings, FoundDifference
from strangler.comparison.html.nodes import Element, Text
from strangler.comparison.rules import Rule
from strangler.comparison.tolerances import ABSENT, Ignore, Unordered

Child = Element | Text


def compare_html(legacy: Element, extracted: Element, findings: Findings, passing: Sequence[Rule] = ()) -> None:
    """Add the differences of two pages to `findings`; the rules `passing` apply to all of them."""
    _HtmlComparison(findings).elements(_Place("", ""), legacy, extracted, list(passing), [])


class _Place:
    """The path to an element, with and without indexes."""

    __slots__ = ("general", "path")

    def __init__(self, path: str, general: str) -> None:
        self.path = path
        self.general = general

    def below(self, children: Sequence[Child]) -> list[_Place]:
        """Return the paths of all children together, because a child's index depends on those before it."""
        names = [_name(child) for child in children]
        of_name = Counter(names)
        counted: Counter[str] = Counter()
        places = []
        for name in names:
            counted[name] += 1
            step = f"/{name}" if of_name[name] == 1 else f"/{name}[{counted[name]}]"
            places.append(_Place(self.path + step, f"{self.general}/{name}"))
        return places


class _Rules(NamedTuple):
    """Rules that apply to two elements: `passing` also to their content, `whole` to them, `for_texts` to texts."""

    passing: list[Rule]
    whole: list[Rule]
    for_texts: list[Rule]


class _HtmlComparison:
    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.effort = Effort()
        self.numbers: dict[Hashable, int] = {}
        self.governed: dict[int, int] = {}
        self.exact: dict[int, int] = {}

    def elements(
        self, place: _Place, legacy: Element, extracted: Element, passing: list[Rule], for_texts: list[Rule]
    ) -> None:
        """Compare two matched elements.

        The rules `passing` apply to the elements and their content, `for_texts` to all texts in them.
        """
        if not place.path:
            place = _Place(f"/{legacy.tag}", f"/{legacy.tag}")
        selecting = list(dict.fromkeys([*legacy.rules, *extracted.rules]))
        whole = [rule for part, rule in selecting if not part]
        passing = [*passing, *(rule for rule in whole if isinstance(rule.treatment, Ignore))]
        for_texts = [*for_texts, *(rule for part, rule in selecting if part in ("", "text()"))]
        if legacy.tag != extracted.tag:
            tags = (legacy.tag, extracted.tag)
            texts = (_shown(legacy), _shown(extracted))
            difference = FoundDifference(place.path, DifferenceKind.TYPE, tags, texts, place.general, " to ".join(tags))
            self.findings.add(difference, passing)
            return
        self._attributes(place, legacy, extracted, passing, selecting)
        self._children(place, legacy, extracted, _Rules(passing, whole, for_texts))

    def _attributes(
        self,
        place: _Place,
        legacy: Element,
        extracted: Element,
        passing: list[Rule],
        selecting: list[tuple[str, Rule]],
    ) -> None:
        for name in [*legacy.attributes, *(name for name in extracted.attributes if name not in legacy.attributes)]:
            was, now = legacy.attributes.get(name), extracted.attributes.get(name)
            if was == now:
                continue
            kind = (
                DifferenceKind.VALUE
                if was is not None and now is not None
                else DifferenceKind.MISSING
                if now is None
                else DifferenceKind.EXTRA
            )
            difference = FoundDifference(
                f"{place.path}/@{name}",
                kind,
                (ABSENT if was is None else was, ABSENT if now is None else now),
                (None if was is None else shown(was), None if now is None else shown(now)),
                f"{place.general}/@{name}",
            )
            self.findings.add(difference, [*passing, *(rule for part, rule in selecting if part == f"@{name}")])

    def _children(
        self,
        place: _Place,
        legacy: Element,
        extracted: Element,
        rules: _Rules,
    ) -> None:
        ordering = [rule for rule in rules.whole if isinstance(rule.treatment, Unordered)]
        alignment = self._aligned(legacy.children, extracted.children, ordering)
        places = place.below(legacy.children)
        for i, j in alignment.pairs:
            one, other = legacy.children[i], extracted.children[j]
            if isinstance(one, Element) and isinstance(other, Element):
                if self._exact(one) != self._exact(other):
                    self.elements(places[i], one, other, rules.passing, rules.for_texts)
            elif isinstance(one, Text) and isinstance(other, Text) and one.value != other.value:
                here = places[i]
                texts = (shown(one.value), shown(other.value))
                values = (one.value, other.value)
                difference = FoundDifference(here.path, DifferenceKind.VALUE, values, texts, here.general)
                self.findings.add(difference, [*rules.passing, *rules.for_texts])
        if alignment.moved:
            texts = (_shown(legacy), _shown(extracted))
            difference = FoundDifference(place.path, DifferenceKind.ORDER, texts, texts, place.general)
            self.findings.add(difference, [*rules.passing, *ordering])
        self._alone(place, legacy.children, extracted.children, alignment, rules.passing)

    def _alone(
        self,
        place: _Place,
        legacy: list[Child],
        extracted: list[Child],
        alignment: Alignment,
        passing: list[Rule],
    ) -> None:
        if not alignment.missing and not alignment.extra:
            return
        sides = {DifferenceKind.MISSING: legacy, DifferenceKind.EXTRA: extracted}
        places = {kind: place.below(children) for kind, children in sides.items()}

        def rules(kind: DifferenceKind, index: int) -> list[Rule]:
            child = sides[kind][index]
            own = child.rules if isinstance(child, Element) else []
            return [*passing, *(rule for part, rule in own if not part)]

        lengths = (len(legacy), len(extracted))
        named, folded = named_alone(alignment, lengths, lambda kind, index: bool(rules(kind, index)))
        for kind, index in named:
            here, text = places[kind][index], _shown(sides[kind][index])
            values = (text, ABSENT) if kind is DifferenceKind.MISSING else (ABSENT, text)
            texts = (text, None) if kind is DifferenceKind.MISSING else (None, text)
            self.findings.add(FoundDifference(here.path, kind, values, texts, here.general), rules(kind, index))
        if folded:
            counts = (f"{lengths[0]} children", f"{lengths[1]} children")
            difference = FoundDifference(place.path, DifferenceKind.LENGTH, counts, counts, place.general)
            self.findings.add(difference, passing)

    def _aligned(self, legacy: list[Child], extracted: list[Child], ordering: list[Rule]) -> Alignment:
        if any(not rule.expired(self.findings.today) for rule in ordering):
            return match_by_key([self._number(child) for child in legacy], [self._number(child) for child in extracted])
        if len(legacy) == len(extracted) == 1 and type(legacy[0]) is type(extracted[0]):
            # Most often the only text of a paragraph or a cell, which has a single counterpart.
            return Alignment([(0, 0)])
        sides = {True: legacy, False: extracted}
        return align(
            [self._known(child) for child in legacy],
            [self._known(child) for child in extracted],
            self.effort,
            lambda is_legacy, index: _shown(sides[is_legacy][index]),
        )

    def _known(self, child: Child) -> AlignedElement:
        """Return the facts about a child for aligning it."""
        if isinstance(child, Text):
            return AlignedElement(self._number(child), family="text")
        parts = {child.tag, *self._attribute_items(child), *(self._number(below) for below in child.children)}
        return AlignedElement(self._number(child), frozenset(parts), child.attributes.get("id"), "element", child.tag)

    def _number(self, child: Child) -> int:
        """Return one number for equal content, ignoring the places that rules govern."""
        if isinstance(child, Text):
            return self._of(("text", child.value))
        number = self.governed.get(id(child))
        if number is None:
            if any(not part and rule.treatment.accepts(DifferenceKind.VALUE, "", "") for part, rule in child.rules):
                form: Hashable = ("governed", child.tag)
            else:
                governed = any(part in ("", "text()") for part, _ in child.rules)
                below = [self._number(one) for one in child.children if not (governed and isinstance(one, Text))]
                form = (child.tag, tuple(self._attribute_items(child)), tuple(below))
            number = self.governed[id(child)] = self._of(form)
        return number

    def _exact(self, child: Child) -> int:
        """Return one number for content that is equal in every respect."""
        if isinstance(child, Text):
            return self._of(("text", child.value))
        number = self.exact.get(id(child))
        if number is None:
            attributes = tuple(sorted(child.attributes.items()))
            below = tuple([self._exact(one) for one in child.children])
            number = self.exact[id(child)] = self._of(("exact", child.tag, attributes, below))
        return number

    def _of(self, form: Hashable) -> int:
        return self.numbers.setdefault(form, len(self.numbers))

    def _attribute_items(self, child: Element) -> list[tuple[str, str]]:
        governed = {part for part, _ in child.rules if part.startswith("@")}
        return sorted((name, value) for name, value in child.attributes.items() if f"@{name}" not in governed)


def _name(child: Child) -> str:
    return child.tag if isinstance(child, Element) else "text()"


def _shown(child: Child) -> str:
    """Return a child as markup, truncated if it is long."""
    pieces: list[str] = []
    waiting: list[Child | str] = [child]
    length = 0
    while waiting and length <= MOST_TEXT:
        item = waiting.pop()
        if isinstance(item, Element):
            attributes = "".join(f' {name}="{value}"' for name, value in sorted(item.attributes.items()))
            waiting += [f"</{item.tag}>", *reversed(item.children)]
            item = f"<{item.tag}{attributes}>"
        elif isinstance(item, Text):
            item = item.value
        pieces.append(item)
        length += len(item)
    return shown("".join(pieces))
