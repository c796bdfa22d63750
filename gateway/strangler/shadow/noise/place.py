"""The counts of one difference of an operation, and the judgement that follows from them.

A difference is noise if all of these conditions hold:

1. The two sides differ about as often as legacy differs from itself (Diffy's
   two thresholds, at the ends of Wilson's 95 % intervals).
2. The candidate agrees with legacy where legacy agrees with itself. Requests
   that legacy got twice are examined one by one: `apart` counts those where
   legacy agreed with itself and the candidate did not, `alike` the reverse. A
   candidate that is equivalent to another copy of legacy has as many of each.
3. The candidate varies the values that legacy varies. Both get the request
   twice; in `varied` of the `variable` requests, those on which either side
   differed from itself, the candidate differed from itself.
4. If legacy hardly ever repeats a value of recent requests, neither does the
   candidate, its own or legacy's; and it does not show the value of another
   field.

2 and 3 result in "no noise" by a likelihood ratio against a candidate that
agrees (varies) in at least one case of four (of ten). Such a ratio may be
evaluated after every request: for such a candidate, the probability that it ever
exceeds 1,000 is at most 1 in 1,000 (Ville's inequality). Until then 2 and 3 only
prevent a difference from becoming noise; noise remains noise until the contrary
is certain, so that chance does not make it flap. 4 needs more than half of at
least 50 requests, where legacy has at most a tenth: by chance, less than 1 in
100,000.

A difference that is noise still passes only if its value fits (`refusal`).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from math import frexp, log

from strangler.comparison.difference import Difference, DifferenceKind
from strangler.comparison.rules import Thresholds
from strangler.shadow.noise.judgement import UNJUDGED, Judged, Judgement, Why
from strangler.shadow.noise.statistics import exceeds, likelihood, wilson
from strangler.shadow.noise.value_forms import TEXT, TIME, Form, Measured, measure, time_in
from strangler.shadow.noise.values import SeenForm, Spread, merge_forms, narrowest_form

SKEW = 2.0
"""Maximum seconds between the clocks of the two sides: times that close count as equal."""

SURE = log(1000)
"""The logarithm of the likelihood ratio at which a difference is certainly not noise."""

LOOKED_AT = 8
"""Maximum values of one pair to learn from, at each place."""

MOST_WORDINGS = 12
"""A field in which legacy showed more wordings than this may contain any text."""
MOST_FORMS = 32

_REMEMBERED = 16
"""The number of recent values per side in which to find repetitions, as digests, in memory only."""
_FEW, _MANY = 20, 50

_LEARNED_FROM_ALL, _LEARNED_FROM = 500, 8
"""Pairs whose values are learned, at each place; after these, one pair in _LEARNED_FROM."""

_PRESENT = 10.0
"""Maximum seconds between the time in a response and that of the request."""


@dataclass(slots=True)
class Place:
    """The counts of one difference (a kind and a path without indexes) at one operation."""

    kind: DifferenceKind
    place: str
    differing: int = 0
    differing_clearly: int = 0
    differing_twice: int = 0
    present: int = 0
    apart: int = 0
    alike: int = 0
    unlike: int = 0
    variable: int = 0
    varied: int = 0
    looked: int = 0
    repeated_by_legacy: int = 0
    repeated: int = 0
    copied: int = 0
    most_elements: int = 0
    any_text: bool = False
    valued: int = 0
    accepted: bool = False
    used: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    forms: dict[str, SeenForm] = field(default_factory=dict)
    spreads: dict[str, Spread] = field(default_factory=dict)
    judged: Judged = field(default=UNJUDGED, compare=False)
    limits: dict[str, float] = field(default_factory=dict, compare=False)
    crowded: frozenset[str] = field(default=frozenset(), compare=False)
    latest: tuple[array[int], array[int]] | None = field(default=None, compare=False)

    @property
    def of_values(self) -> bool:
        """Whether the difference concerns a value that both sides have."""
        return self.kind in (DifferenceKind.VALUE, DifferenceKind.NUMBER_FORM) and self.place != "status"

    @property
    def is_field(self) -> bool:
        """Whether the place is one field, and not any line of a text or any text of elements of one name."""
        return self.place not in ("line", "body") and not self.place.endswith("text()")

    def compared(self, differences: Sequence[Difference], copied: bool, at: float | None) -> None:
        """Count a pair of the two sides, at the time `at`, that has these differences here."""
        self.differing += 1
        if self.differing > _LEARNED_FROM_ALL and self.differing % _LEARNED_FROM:
            return
        self.valued += 1
        measured = [measure(difference) for difference in differences[:LOOKED_AT]]
        self.differing_clearly += _clearly(measured)
        if at is not None and measured[0].unit == TIME:
            said = time_in(differences[0].legacy)
            self.present += said is not None and abs(said - at) <= _PRESENT
        for one in measured:
            self._show(one.legacy)
        for name in {one.other.name for one in measured} | ({TEXT} if _has_text(measured) else set()):
            if name in self.forms:
                self.forms[name].sides += 1
        self._spread(measured, legacy=False)
        if self.kind is DifferenceKind.VALUE and self.of_values:
            self.copied += copied
            self._remember(differences[:LOOKED_AT])

    def asked_twice(self, differences: Sequence[Difference]) -> None:
        """Count two responses of legacy that have these differences here."""
        self.differing_twice += 1
        self.most_elements = max(self.most_elements, len(differences))
        measured = [measure(difference) for difference in differences[:LOOKED_AT]]
        for one in measured:
            self._show(one.legacy)
            self._show(one.other)
        for name in {one.other.name for one in measured} | ({TEXT} if _has_text(measured) else set()):
            if name in self.forms:
                self.forms[name].twice += 1
        self._spread(measured, legacy=True)

    def both_asked_twice(self, legacy: bool, sides: bool, extracted: bool | None) -> None:
        """Count a request by whether legacy, the two sides and the candidate differ clearly (None: not repeated)."""
        self.unlike += legacy
        self.apart += sides and not legacy
        self.alike += legacy and not sides
        if extracted is not None and (legacy or extracted):
            self.variable += 1
            self.varied += extracted

    def _show(self, form: Form) -> None:
        """Record a form that legacy showed."""
        name = form.name
        if name.startswith(f"{TEXT} "):
            self._show_as(TEXT, form.length)
            if self.any_text:
                return
            wordings = [known for known in self.forms if known.startswith(f"{TEXT} ")]
            if name not in self.forms and len(wordings) >= MOST_WORDINGS and self.is_field:
                self.any_text = True
                for known in wordings:
                    del self.forms[known]
                return
        self._show_as(name, form.length)

    def _show_as(self, name: str, length: int) -> None:
        known = self.forms.get(name)
        if known is None:
            if len(self.forms) >= MOST_FORMS:
                return
            known = self.forms[name] = SeenForm()
        known.show(length)

    def _spread(self, measured: Iterable[Measured], legacy: bool) -> None:
        """Record the distance between values, the largest of a pair for each unit."""
        farthest: dict[str, float] = {}
        for one in measured:
            if one.unit:
                farthest[one.unit] = max(farthest.get(one.unit, 0.0), one.distance)
        for unit, distance in farthest.items():
            spread = self.spreads.setdefault(unit, Spread())
            counts = spread.legacy if legacy else spread.sides
            if legacy:
                spread.most = max(spread.most, distance)
            bucket = max(-20, min(80, frexp(distance)[1])) if distance else -20
            counts[bucket] = counts.get(bucket, 0) + 1

    def _remember(self, differences: Sequence[Difference]) -> None:
        """Search for the values among the recent ones, and add them there."""
        legacy, extracted = (
            {_digest(value) for one in differences if (value := getattr(one, side)) is not None}
            for side in ("legacy", "extracted")
        )
        if self.latest is None:
            self.latest = array("Q"), array("Q")
        else:
            before, own = self.latest
            self.looked += 1
            self.repeated_by_legacy += any(value in before for value in legacy)
            self.repeated += any(value in before or value in own for value in extracted)
        for latest, values in zip(self.latest, (legacy, extracted), strict=True):
            latest.extend(values)
            del latest[:-_REMEMBERED]

    @property
    def is_clock(self) -> bool:
        """Whether legacy shows the current time here, which may differ on another machine's clock."""
        return self.valued >= _FEW and self.present * 20 >= self.valued * 19

    def judge(self, compared: int, asked_twice: int, thresholds: Thresholds) -> Judged:
        """Return the judgement, given the number of pairs and of requests that legacy got twice."""
        if min(compared, asked_twice) < thresholds.pairs:
            return UNJUDGED
        sides, itself = wilson(self.differing, compared), wilson(self.differing_twice, asked_twice)
        if self.is_clock:
            share = self.differing / compared
            clearly_differing = wilson(self.differing_clearly, self.valued)
            sides = clearly_differing[0] * share, clearly_differing[1] * share
            itself = wilson(self.unlike, asked_twice)
        if exceeds(sides[0], itself[1], thresholds):
            self.accepted = False
            return Judged(Judgement.DIFFERENCE, Why.RATE)
        as_often = not exceeds(sides[1], itself[0], thresholds) or (self.is_clock and not self.differing_clearly)
        by_rates = self.differing_twice > 0 and (as_often or self.accepted)
        against = self._against()
        if against is not None and (against[0] or not self.accepted):
            sure, why = against
            self.accepted = False
            return Judged(Judgement.DIFFERENCE if sure else Judgement.UNDECIDED, why, by_rates)
        self.accepted = by_rates
        if by_rates:
            self._bound(compared, asked_twice, thresholds)
        return Judged(Judgement.NOISE, None, True) if by_rates else UNJUDGED

    def _bound(self, compared: int, asked_twice: int, thresholds: Thresholds) -> None:
        """Compute the allowed distances, and the forms that the candidate shows more often than legacy."""
        share = self.differing / compared
        self.limits = {
            unit: spread.limit(
                self.valued, asked_twice, lambda sides, itself: exceeds(sides * share, itself, thresholds)
            )
            for unit, spread in self.spreads.items()
            if spread.legacy
        }
        self.crowded = frozenset(
            name
            for name, form in self.forms.items()
            if form.sides
            and not self.is_clock
            and exceeds(wilson(form.sides, self.valued)[0] * share, wilson(form.twice, asked_twice)[1], thresholds)
        )

    def _against(self) -> tuple[bool, Why] | None:
        """Return the reason against noise, regardless of the rates, and whether it is certain."""
        if self.apart > 1 and self.alike * 16 < self.apart:
            return likelihood(self.alike, self.apart, 1 / 4) >= SURE, Why.NEVER_AGREES
        if not self.of_values:
            return None
        for count, why in ((self.repeated, Why.REPEATS), (self.copied, Why.COPIES)):
            fresh = why is Why.COPIES or self.repeated_by_legacy * 10 <= self.looked
            if fresh and self.looked >= _FEW and count * 2 > self.looked:
                return self.looked >= _MANY, why
        if self.unlike and self.varied < max(1.0, self.variable / 20):
            return likelihood(self.varied, self.variable - self.varied, 1 / 10) >= SURE, Why.STEADY
        return None

    def refusal(self, difference: Difference) -> Why | None:
        """Return why a difference does not pass although this place is noise; None if it passes."""
        measured = measure(difference)
        known = narrowest_form(self.forms, measured.other, self.any_text)
        if known is None:
            return Why.FORM
        if not known.fits(measured.other.length):
            return Why.LENGTH
        if measured.other.name in self.crowded:
            return Why.FORM_RATE
        if measured.unit:
            most = self.limits.get(measured.unit)
            if most is None or measured.distance > most + (SKEW if measured.unit == TIME else 0.0):
                return Why.DISTANCE
        return None

    def use(self, unfit: Why | None) -> None:
        """Count a pair with a difference here, which is noise: whether it passed, or why not."""
        if unfit is None:
            self.used += 1
        else:
            self.refuse(unfit)

    def refuse(self, why: Why) -> None:
        """Count a pair in which the difference did not pass."""
        self.refused[str(why)] = self.refused.get(str(why), 0) + 1

    def merge(self, other: Place) -> None:
        """Add the counts of `other`."""
        for name in COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.most_elements = max(self.most_elements, other.most_elements)
        self.any_text = self.any_text or other.any_text
        self.accepted = self.accepted or other.accepted
        for why, count in other.refused.items():
            self.refused[why] = self.refused.get(why, 0) + count
        merge_forms(self.forms, other.forms, MOST_FORMS)
        for unit, spread in other.spreads.items():
            self.spreads.setdefault(unit, Spread()).merge(spread)

    def forget_candidate(self) -> None:
        """Reset the counts of the candidate; keep those of legacy."""
        self.differing = self.differing_clearly = self.present = self.valued = 0
        self.accepted = False
        self.apart = self.alike = self.variable = self.varied = self.looked = 0
        self.repeated_by_legacy = self.repeated = self.copied = self.used = 0
        self.refused, self.latest = {}, None
        self.judged = UNJUDGED
        for form in self.forms.values():
            form.sides = 0
        for spread in self.spreads.values():
            spread.sides = {}

    def size(self) -> int:
        """Return an estimate of its memory in bytes."""
        return 2_500 + 4 * len(self.place) + 300 * len(self.forms) + 5_000 * len(self.spreads)


COUNTS = (
    *("differing", "differing_clearly", "differing_twice", "present", "apart", "alike", "unlike", "variable", "varied"),
    *("valued", "looked", "repeated_by_legacy", "repeated", "copied", "used"),
)


def clearly(differences: Iterable[Difference]) -> bool:
    """Return whether values differ by more than two clocks may."""
    return _clearly(map(measure, differences))


def _clearly(measured: Iterable[Measured]) -> bool:
    return any(one.unit != TIME or one.distance > SKEW for one in measured)


def _digest(value: str) -> int:
    return int.from_bytes(blake2b(value.encode("utf-8", "surrogatepass"), digest_size=8).digest())


def _has_text(measured: Iterable[Measured]) -> bool:
    return any(one.other.name.startswith(f"{TEXT} ") for one in measured)
