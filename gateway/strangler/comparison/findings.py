"""The findings of a comparison so far: differences that matter, and those that rules allow."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from hashlib import blake2b
from typing import NamedTuple, TypeVar

from strangler.comparison.difference import Difference, DifferenceKind
from strangler.comparison.rules import Rule, Rules
from strangler.comparison.tolerances import Ignore

Listed = TypeVar("Listed")
Values = tuple[object, object]
Texts = tuple[str | None, str | None]

LONGEST_SIGNATURE = 300
"""Maximum characters. Signatures are keys of the store; an index row of PostgreSQL has at most 2,704 bytes in all."""

MOST_LISTED = 1000
"""Maximum differences listed per pair, each for those that matter and those that pass; the rest are counted."""


class FoundDifference(NamedTuple):
    """A difference before rules, redaction and risks are applied to it.

    `values` are the legacy and the extracted value as rules see them, `texts` as
    they are shown. `place` is the path without the parts that differ from request
    to request, `change` distinguishes differences there further. `risk` is the
    entry in the table of risks, by default that of the kind.
    """

    path: str
    kind: DifferenceKind
    values: Values
    texts: Texts
    place: str
    change: str = ""
    risk: str | None = None


def _signature(text: str) -> str:
    """Return the key that groups a difference: `text`; if it is long, a digest replaces its end."""
    if len(text) <= LONGEST_SIGNATURE:
        return text
    return f"{text[: LONGEST_SIGNATURE - 40]}… {blake2b(text.encode(), digest_size=16).hexdigest()}"


class Findings:
    """Collects differences and applies the rules to each."""

    def __init__(self, rules: Rules, today: date) -> None:
        self.rules = rules
        self.today = today
        self.differences: list[Difference] = []
        self.ignored: list[tuple[Difference, str]] = []
        self.expired: list[tuple[Difference, str]] = []
        self.left_out = 0
        self.unlisted = 0
        """The number of those that matter."""
        self.tokens: list[Rule] = []
        """Rules that apply everywhere: for tokens that are recognized by the cookies of the two responses."""

    def add(self, difference: FoundDifference, governing: Iterable[Rule]) -> None:
        """Add a difference, to which the `governing` rules apply."""
        path, kind, values, texts, place, change, risk = difference
        path, place = self.rules.redaction.found_at(path, place)
        signature = _signature(f"{kind} {place} {change}" if change else f"{kind} {place}")
        severity = self.rules.risks[risk or kind]
        rated = Difference(path, kind, texts[0], texts[1], severity, signature, place)
        expired: Rule | None = None
        for rule in [*governing, *self.tokens]:
            if rule.treatment.accepts(kind, *values) or self._lets_redacted_pass(rule, kind, path, values):
                if not rule.expired(self.today):
                    self._list(self.ignored, (rated, rule.name))
                    return
                expired = rule
        if len(self.differences) >= MOST_LISTED:
            self.unlisted += 1
        self._list(self.differences, rated)
        if expired is not None:
            self._list(self.expired, (rated, expired.name))

    def _lets_redacted_pass(self, rule: Rule, kind: DifferenceKind, path: str, values: Values) -> bool:
        """Return whether a rule accepts values that differ only in redacted parts, and these do."""
        return (
            isinstance(rule.treatment, Ignore)
            and rule.treatment.redacted
            and kind in (DifferenceKind.VALUE, DifferenceKind.NUMBER_FORM)
            and self.rules.redaction.differ_inside(path, *values)
        )

    def _list(self, listed: list[Listed], item: Listed) -> None:
        if len(listed) < MOST_LISTED:
            listed.append(item)
        else:
            self.left_out += 1
