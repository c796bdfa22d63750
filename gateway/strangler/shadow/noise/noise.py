"""Learns which differences are noise: two responses of legacy differ there as often as the two sides do.

The idea is that of Diffy, with its two thresholds: a difference is not noise if
the two sides differ more often than legacy differs from itself, by more than
20 % of both rates together (relative) and by more than 0.03 % of all pairs
(absolute). Diffy compares the counts themselves, so that a handful of requests
decides. Here the rates must be that far apart, or that close, at the ends of
their confidence intervals, and nothing is decided before a minimum number of
pairs. The further conditions on the candidate, and the values that pass, are
defined in `strangler.shadow.noise.place`; the forms of values in
`strangler.shadow.noise.value_forms`.

The requests that both sides get twice are drawn before their responses are
examined, so that the rates are those of all requests. While an operation has
undecided differences, more requests are drawn, within a budget (`asks`).

It keeps counts, forms, and digests of wordings, but no values.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from strangler.comparison.difference import Difference, DifferenceKind
from strangler.comparison.rules import Thresholds
from strangler.shadow.noise import document as noise_document
from strangler.shadow.noise.grouping import copied, grouped
from strangler.shadow.noise.judgement import Judgement, Why
from strangler.shadow.noise.operation import Operation
from strangler.shadow.noise.place import Place, clearly
from strangler.shadow.noise.values import form_words

MOST_PLACES = 500
"""Maximum differences counted per operation; new ones replace those that legacy never showed."""

MOST_OPERATIONS = 1000
"""Maximum operations counted."""

MOST_BYTES = 16 * 2**20
"""Approximate maximum of memory for one migration's counts; beyond it nothing new is learned."""

LONGEST_PLACE = 1000
"""Maximum characters of a path; longer ones are not learned."""

EXTRA_REQUESTS = 500
"""Requests of an operation sent twice beyond `noise_percent`, to learn sooner,"""
EXTRA_SHARE = 0.02
"""and the share of its pairs that is added to them, for differences that appear later."""

_DUE = 16
"""Pairs after which all differences of an operation are judged again, or a sixteenth of those seen, if more."""


class Sifted(NamedTuple):
    """The differences of a pair: those that are noise, and the rest."""

    noise: list[Difference]
    rest: list[Difference]


@dataclass(frozen=True, slots=True)
class Learned:
    """The findings about one difference of an operation at which legacy differs from itself.

    `legacy` and `sides` are the pairs that differ, and all pairs. `used` counts
    pairs in which it was allowed; `refused` maps a reason to the pairs in which
    it was not, though the rates alone would have allowed it.
    """

    operation: str
    place: str
    kind: str
    judgement: str
    why: str | None
    legacy: tuple[int, int]
    sides: tuple[int, int]
    forms: tuple[str, ...]
    distances: dict[str, float]
    used: int
    refused: dict[str, int]


class Noise:
    """Learns from differences which of them are noise; an operation is a route's pattern with its method."""

    def __init__(self, thresholds: Thresholds | None = None, source: random.Random | None = None) -> None:
        self.thresholds = thresholds or Thresholds()
        self.operations: dict[str, Operation] = {}
        self.left_out = 0
        self._bytes = 0
        self._random = source or random.Random()

    def asks(self, operation: str, percent: float, learning_percent: float) -> bool:
        """Return whether to send the next request to both sides once more, regardless of their responses.

        True for `percent` of the requests, and for `learning_percent` while the
        operation has undecided differences and its budget lasts.
        """
        if percent <= 0:
            return False
        drawn = self._random.uniform(0, 100)
        if drawn < percent:
            return True
        counts = self.operations.get(operation)
        if counts is None or drawn >= learning_percent or not counts.undecided:
            return False
        if counts.extra >= EXTRA_REQUESTS + counts.compared * EXTRA_SHARE:
            return False
        counts.extra += 1
        return True

    def compared(self, operation: str, differences: Sequence[Difference], at: float | None = None) -> None:
        """Count the first responses of both sides to a request at the time `at`, and their differences."""
        counts = self._operation(operation)
        if counts is None:
            return
        counts.compared += 1
        if differences:
            by_signature = grouped(differences)
            of_others = copied(by_signature) if len(by_signature) > 1 else frozenset()
            for signature, group in by_signature.items():
                place = self._place(counts, signature, group[0])
                if place is not None:
                    before = place.size()
                    place.compared(group, signature in of_others, at)
                    self._bytes += place.size() - before
        self._judge_if_due(counts)

    def asked_twice(
        self,
        operation: str,
        legacy: Sequence[Difference],
        sides: Sequence[Difference] = (),
        extracted: Sequence[Difference] | None = None,
    ) -> None:
        """Count a request that both sides got twice.

        `legacy` are the differences between legacy's two responses, `extracted`
        those between the candidate's (None if it gave no second one), and `sides`
        those between the first responses of both, which `compared` counts as well.
        """
        counts = self._operation(operation)
        if counts is None:
            return
        counts.asked_twice += 1
        if not (legacy or sides or extracted):
            self._judge_if_due(counts)
            return
        itself, pair, candidate = grouped(legacy), grouped(sides), grouped(extracted or ())
        for signature, group in itself.items():
            place = self._place(counts, signature, group[0], legacy=True)
            if place is not None:
                before = place.size()
                place.asked_twice(group)
                self._bytes += place.size() - before
        for signature in {**itself, **pair, **candidate}:
            place = counts.places.get(signature)
            if place is not None:
                place.both_asked_twice(
                    clearly(itself.get(signature, ())),
                    clearly(pair.get(signature, ())),
                    None if extracted is None else clearly(candidate.get(signature, ())),
                )
        self._judge(counts)

    def sift(self, operation: str, differences: Sequence[Difference], *, again: bool = False) -> Sifted:
        """Return which of a pair's differences pass as noise.

        Counts how often learned noise is used, except for a pair whose request
        was sent `again`.
        """
        counts = self.operations.get(operation)
        if counts is None or not differences:
            return Sifted([], list(differences))
        sifted = Sifted([], [])
        for signature, group in grouped(differences).items():
            place = counts.places.get(signature)
            if place is None:
                sifted.rest.extend(group)
                continue
            judgement, why, by_rates = place.judged
            if judgement is not Judgement.NOISE:
                sifted.rest.extend(group)
                if by_rates and why is not None and not again:
                    place.refuse(why)
                continue
            unfit = self._sift_values(place, group, sifted)
            if not again:
                place.use(unfit)
        return sifted

    def _sift_values(self, place: Place, group: list[Difference], sifted: Sifted) -> Why | None:
        """Sort the differences of one place, which is noise, by whether their values fit; return why some do not."""
        why: Why | None = None
        if place.kind in (DifferenceKind.MISSING, DifferenceKind.EXTRA) and len(group) > 2 * place.most_elements:
            why = Why.ELEMENTS
            sifted.rest.extend(group)
        else:
            for difference in group:
                unfit = place.refusal(difference)
                (sifted.noise if unfit is None else sifted.rest).append(difference)
                why = why or unfit
        return why

    def judgement(self, operation: str, signature: str) -> Judgement:
        """Return whether the difference of that signature is noise at that operation."""
        counts = self.operations.get(operation)
        place = counts.places.get(signature) if counts is not None else None
        if counts is None or place is None:
            return Judgement.UNDECIDED
        return place.judge(counts.compared, counts.asked_twice, self.thresholds).judgement

    def learned(self) -> list[Learned]:
        """Return the findings about differences between legacy's own responses, most used first."""
        learned = [
            Learned(
                operation=name,
                place=place.place,
                kind=str(place.kind),
                judgement=str(place.judged.judgement),
                why=None if place.judged.why is None else str(place.judged.why),
                legacy=(place.differing_twice, counts.asked_twice),
                sides=(place.differing, counts.compared),
                forms=form_words(place.forms, place.any_text),
                distances={unit: spread.most for unit, spread in place.spreads.items() if spread.legacy},
                used=place.used,
                refused=dict(place.refused),
            )
            for name, counts in sorted(self.operations.items())
            for place in counts.places.values()
            if place.differing_twice
        ]
        return sorted(learned, key=lambda one: -one.used - sum(one.refused.values()))

    def merge(self, other: Noise) -> None:
        """Add the counts of `other`."""
        for name, counts in other.operations.items():
            mine = self._operation(name)
            if mine is None:
                continue
            mine.compared += counts.compared
            mine.asked_twice += counts.asked_twice
            mine.extra += counts.extra
            for signature, place in counts.places.items():
                known = mine.places.get(signature)
                if known is None:
                    if self._has_room(mine, place.differing_twice > 0):
                        mine.places[signature] = place
                        self._bytes += place.size()
                    continue
                before = known.size()
                known.merge(place)
                self._bytes += known.size() - before
            self._judge(mine)

    def forget_candidate(self) -> None:
        """Reset the counts of the candidate, for example for a new version of it; keep those of legacy."""
        for counts in self.operations.values():
            counts.compared = counts.extra = 0
            for place in counts.places.values():
                place.forget_candidate()
            self._judge(counts)

    def document(self) -> bytes:
        """Return everything learned, as JSON."""
        return noise_document.write(self.operations)

    @classmethod
    def read(cls, document: bytes | None, thresholds: Thresholds | None = None) -> Noise:
        """Read the result of `document`; learn from scratch if it is missing or of another version.

        Raises ValueError if it is malformed.
        """
        noise = cls(thresholds)
        for name, counts in noise_document.read(document).items() if document is not None else ():
            noise.operations[name] = counts
            noise._bytes += sum(place.size() for place in counts.places.values())
            noise._judge(counts)
        return noise

    def _judge_if_due(self, counts: Operation) -> None:
        if counts.compared + counts.asked_twice >= counts.due:
            self._judge(counts)

    def _judge(self, counts: Operation) -> None:
        """Judge the differences of an operation by all counts."""
        seen = counts.compared + counts.asked_twice
        counts.due = seen + max(_DUE, seen // _DUE)
        counts.undecided = False
        for place in counts.places.values():
            place.judged = place.judge(counts.compared, counts.asked_twice, self.thresholds)
            if place.judged.judgement is Judgement.UNDECIDED and place.differing:
                counts.undecided = True

    def _operation(self, name: str) -> Operation | None:
        counts = self.operations.get(name)
        if counts is None and len(self.operations) < MOST_OPERATIONS:
            counts = self.operations[name] = Operation()
        return counts

    def _place(self, counts: Operation, signature: str, difference: Difference, legacy: bool = False) -> Place | None:
        """Return the place of a difference; None if there is no room for another one."""
        place = counts.places.get(signature)
        if place is None:
            if len(difference.place) > LONGEST_PLACE or not self._has_room(counts, legacy):
                self.left_out += 1
                return None
            place = counts.places[signature] = Place(difference.kind, difference.place)
            self._bytes += place.size()
        return place

    def _has_room(self, counts: Operation, legacy: bool) -> bool:
        """Return whether another place can be counted; differences of legacy replace those that it never showed."""
        if len(counts.places) < MOST_PLACES and self._bytes < MOST_BYTES:
            return True
        if legacy:
            for signature, place in counts.places.items():
                if not place.differing_twice:
                    self._bytes -= place.size()
                    del counts.places[signature]
                    return True
        return False
