"""One number for each distinct value, so that values are compared by comparing numbers.

Each container is visited once and represented by its number from then on (hash
consing), so that numbering a document takes time linear in its size. Equal
numbers mean equal values; the spelling of a number counts (`1.0` is not `1`),
the order of keys does not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence

from strangler.comparison.alignment import AlignedElement
from strangler.comparison.difference import DifferenceKind
from strangler.comparison.rules import Rule
from strangler.comparison.tolerances import FloatText, Mask, NullEqualsMissing, Treatment, Unordered, decimal_of

RulesAt = Callable[[object, str | int], Sequence[Rule]]
"""The rules that govern the value of a container at a key or index."""

_IDENTITIES = ("id", "uuid", "key", "slug", "sku", "code", "name")
"""Fields that identify an object; the first one that it has applies."""

_GOVERNED = ("governed",)


class Numbering:
    """Numbers the values of the two documents of a pair.

    Values whose difference a rule allows count as equal, so that the difference
    does not disturb the alignment of lists.
    """

    def __init__(self, rules_at: RulesAt | None = None) -> None:
        self._rules_at = rules_at
        self._numbers: dict[Hashable, int] = {}
        self._containers: dict[int, int] = {}

    def number(self, value: object, rules: Sequence[Rule] = ()) -> int:
        """Return the number of a value to which `rules` apply."""
        for rule in rules:
            form = _passing_form(value, rule.treatment)
            if form is not None:
                return self._of(form)
        if isinstance(value, dict):
            return self._container(value, lambda: ("object", *sorted(self._members(value))))
        if isinstance(value, list):
            if any(isinstance(rule.treatment, Unordered) for rule in rules):
                counts = Counter(self._items(value))
                return self._container(value, lambda: ("set", *sorted(counts.items())))
            return self._container(value, lambda: ("array", *self._items(value)))
        if isinstance(value, FloatText):
            return self._of(("number", value.text))
        if isinstance(value, int) and not isinstance(value, bool):
            return self._of(("number", str(value)))
        return self._of((type(value), value))

    def element(self, holder: list[object], index: int) -> AlignedElement:
        """Return the facts about a list's element for aligning it."""
        value = holder[index]
        rules = self._rules_at(holder, index) if self._rules_at is not None else ()
        whole = self.number(value, rules)
        if isinstance(value, dict):
            return AlignedElement(whole, frozenset(self._members(value)), self._identity(value))
        return AlignedElement(whole, frozenset(self._items(value)) if isinstance(value, list) else frozenset())

    def _of(self, form: Hashable) -> int:
        return self._numbers.setdefault(form, len(self._numbers))

    def _container(self, value: object, form: Callable[[], Hashable]) -> int:
        number = self._containers.get(id(value))
        if number is None:
            number = self._containers[id(value)] = self._of(form())
        return number

    def _members(self, value: dict[str, object]) -> list[tuple[str, int]]:
        if self._rules_at is None:
            return [(key, self.number(child)) for key, child in value.items()]
        members = []
        for key, child in value.items():
            rules = self._rules_at(value, key)
            if child is None and any(isinstance(rule.treatment, NullEqualsMissing) for rule in rules):
                continue
            members.append((key, self.number(child, rules)))
        return members

    def _items(self, value: list[object]) -> list[int]:
        if self._rules_at is None:
            return [self.number(child) for child in value]
        return [self.number(child, self._rules_at(value, index)) for index, child in enumerate(value)]

    def _identity(self, value: dict[str, object]) -> Hashable | None:
        for field in _IDENTITIES:
            identity = value.get(field)
            if isinstance(identity, (str, int)) and not (self._rules_at is not None and self._rules_at(value, field)):
                return (field, identity)
        return None


def _passing_form(value: object, treatment: Treatment) -> Hashable | None:
    """Return one key for all values whose difference would pass; None if it would not."""
    if isinstance(treatment, Mask):
        return ("masked", treatment.pattern.sub("\0", value)) if isinstance(value, str) else None
    if treatment.accepts(DifferenceKind.VALUE, value, value):
        return _GOVERNED
    if treatment.accepts(DifferenceKind.NUMBER_FORM, value, value):
        number = decimal_of(value)
        return None if number is None else ("any form", number)
    return None
