"""What a comparison has found so far: differences that matter, and those that rules let pass."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from hashlib import blake2b
from typing import TypeVar

from strangler.comparison.difference import Difference, DifferenceKind
from strangler.comparison.rules import Rule, Rules
from strangler.comparison.tolerances import Ignore

Listed = TypeVar("Listed")
Values = tuple[object, object]
Texts = tuple[str | None, str | None]

LONGEST_SIGNATURE = 300
"""Characters. Signatures are keys of the store, and PostgreSQL's index takes 2,704 bytes a row with all its columns."""

MOST_LISTED = 1000
"""Differences of one pair that are listed, of those that matter and of those that pass; the rest are counted."""


def _signature(text: str) -> str:
    """What groups a difference: `text`, with a digest in place of its end where it is long, as with odd JSON keys."""
    if len(text) <= LONGEST_SIGNATURE:
        return text
    return f"{text[: LONGEST_SIGNATURE - 40]}… {blake2b(text.encode(), digest_size=16).hexdigest()}"


class Findings:
    """Collects differences and asks the rules about each."""

    def __init__(self, rules: Rules, today: date) -> None:
        self.rules = rules
        self.today = today
        self.differences: list[Difference] = []
        self.ignored: list[tuple[Difference, str]] = []
        self.expired: list[tuple[Difference, str]] = []
        self.left_out = 0
        self.unlisted = 0
        """Of those, the differences that matter."""
        self.tokens: list[Rule] = []
        """Those that hold at every place: for tokens that are known by the cookies of the two responses."""

    def add(
        self,
        path: str,
        kind: DifferenceKind,
        values: Values,
        governing: Iterable[Rule],
        texts: Texts,
        place: str,
        change: str = "",
        risk: str | None = None,
    ) -> None:
        """Add a difference at `path`, for which the `governing` rules hold.

        `values` are the legacy and the extracted one as rules look at them,
        `texts` as they are shown. `place` is the path without what differs from
        request to request, `change` what else tells differences apart there.
        `risk` names the entry of the table of risks, that of the kind unless
        given.
        """
        path, place = self.rules.redaction.found_at(path, place)
        signature = _signature(f"{kind} {place} {change}" if change else f"{kind} {place}")
        severity = self.rules.risks[risk or kind]
        difference = Difference(path, kind, texts[0], texts[1], severity, signature, place)
        expired: Rule | None = None
        for rule in [*governing, *self.tokens]:
            if rule.treatment.accepts(kind, *values) or self._lets_redacted_pass(rule, kind, path, values):
                if not rule.expired(self.today):
                    self._list(self.ignored, (difference, rule.name))
                    return
                expired = rule
        if len(self.differences) >= MOST_LISTED:
            self.unlisted += 1
        self._list(self.differences, difference)
        if expired is not None:
            self._list(self.expired, (difference, expired.name))

    def _lets_redacted_pass(self, rule: Rule, kind: DifferenceKind, path: str, values: Values) -> bool:
        """Whether a rule accepts values that are the same but for what is redacted in them, and these are."""
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
