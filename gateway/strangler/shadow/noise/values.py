"""The counts of values at a place with noise: their forms and lengths, and the distances between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from strangler.shadow.noise.statistics import wilson
from strangler.shadow.noise.value_forms import TEXT, Form


@dataclass(slots=True)
class SeenForm:
    """One form at a place: how often legacy had it, how often a value of it differed from legacy's, and lengths.

    `twice` counts requests sent to legacy twice whose second response had it,
    `sides` pairs whose candidate had it.
    """

    shown: int = 0
    twice: int = 0
    sides: int = 0
    shortest: int = 0
    longest: int = 0

    def show(self, length: int) -> None:
        """Count a value of legacy."""
        self.shortest = min(self.shortest, length) if self.shown else length
        self.longest = max(self.longest, length)
        self.shown += 1

    def fits(self, length: int) -> bool:
        """Return whether a value of that length is within the lengths that legacy showed.

        If legacy showed one length only, it is fixed; else a value may exceed the
        observed range by a quarter, and by two characters in any case.
        """
        if self.shortest == self.longest:
            return length == self.longest
        more = max(2, self.longest // 4)
        return max(1, self.shortest - more) <= length <= self.longest + more

    def merge(self, other: SeenForm) -> None:
        """Take in what `other` has counted."""
        self.shortest = min(self.shortest, other.shortest) if self.shown and other.shown else other.shortest
        self.longest = max(self.longest, other.longest)
        self.shown += other.shown
        self.twice += other.twice
        self.sides += other.sides


@dataclass(slots=True)
class Spread:
    """The distances between values, by powers of two: legacy's own, and the two sides'."""

    most: float = 0.0
    legacy: dict[int, int] = field(default_factory=dict)
    sides: dict[int, int] = field(default_factory=dict)

    def limit(self, compared: int, asked_twice: int, exceeds: Callable[[float, float], bool]) -> float:
        """Return the allowed distance between values: twice the distance that legacy showed.

        If only one legacy response of fifty was that far off, and the sides are
        so more often, it is twice the distance of the other forty-nine.
        """
        total, beyond = sum(self.legacy.values()), 0
        near = max(self.legacy, default=0)
        for bucket in sorted(self.legacy, reverse=True):
            near = bucket
            if (beyond + self.legacy[bucket]) * 50 > total:
                break
            beyond += self.legacy[bucket]
        far = sum(count for bucket, count in self.sides.items() if bucket > near + 1)
        if far and exceeds(wilson(far, compared)[0], wilson(beyond, asked_twice)[1]):
            return min(2 * self.most, 2.0 ** (near + 1))
        return 2 * self.most

    def merge(self, other: Spread) -> None:
        """Take in what `other` has counted."""
        self.most = max(self.most, other.most)
        for counts, more in ((self.legacy, other.legacy), (self.sides, other.sides)):
            for bucket, count in more.items():
                counts[bucket] = counts.get(bucket, 0) + count


def merge_forms(forms: dict[str, SeenForm], others: Mapping[str, SeenForm], most: int) -> None:
    """Merge other forms into `forms`, at most `most` in all."""
    for name, form in others.items():
        known = forms.get(name)
        if known is not None:
            known.merge(form)
        elif len(forms) < most:
            forms[name] = form


def narrowest_form(forms: Mapping[str, SeenForm], form: Form, any_text: bool) -> SeenForm | None:
    """Return the narrowest form of a value that legacy showed; with `any_text` any text has such a form."""
    for name in form.names:
        if name == TEXT and not any_text:
            continue
        known = forms.get(name)
        if known is not None:
            return known
    return None


def form_words(forms: Mapping[str, SeenForm], any_text: bool) -> tuple[str, ...]:
    """Return the forms that legacy showed, in words, with lengths if they are significant."""
    wordings = sum(1 for name in forms if name.startswith(f"{TEXT} "))
    words = []
    for name, form in forms.items():
        if name.startswith((f"{TEXT} ", "object ")) or (name == TEXT and not any_text):
            continue
        lengths = f"{form.shortest}" if form.shortest == form.longest else f"{form.shortest} to {form.longest}"
        words.append(f"{name} of {lengths} characters" if form.longest else name)
    if wordings:
        words.append(f"text of {wordings} wording{'s' if wordings > 1 else ''}")
    return tuple(words)
