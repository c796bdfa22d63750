"""Which differences are noise: legacy asked twice differs there as often as the two sides do.

The idea is that of Diffy, with its two thresholds: a difference is no noise
where the two sides differ more often than legacy differs from itself, by more
than 20 % of both rates together (relative) and by more than 0.03 % of all pairs
(absolute). Diffy compares the counts themselves, so that a handful of requests
decides. Here the rates must be that far apart, or that near, at the ends of
their confidence intervals, and nothing is decided from less than a minimum of
pairs.

The intervals are Wilson's (1927) at 95 %: they stay between 0 and 1, hold for
rates near either end, and cover on average what they say; the exact ones of
Clopper and Pearson are wider and would leave open for longer what a person
has to accept anyway. (The verdict, which is a proof, uses those.)

Only counts are kept, and of which form the values were; no values.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from math import sqrt

import orjson

from gateway.shadow.acceptance import Uuid, time_of
from gateway.shadow.difference import Difference, Kind
from gateway.shadow.rules import Thresholds

LONGEST_PLACE = 1000
"""Places of longer names are not learned: responses choose them, and what is learned is kept."""
MOST_PLACES = 500
"""Differences of one endpoint that are counted; those that are first met later are not."""

MOST_ENDPOINTS = 1000
"""Endpoints that are counted, as far as they have differences."""

_Z = 1.959963984540054
"""Of the normal distribution, 95 % is within this many standard deviations."""


class Judgement(StrEnum):
    """What is known of a difference at an endpoint."""

    NOISE = "noise"
    DIFFERENCE = "difference"
    UNDECIDED = "undecided"


class Form(StrEnum):
    """What the values at a place are."""

    UUID = "uuid"
    TIME = "time"
    OTHER = "other"


@dataclass(slots=True)
class Place:
    """What was counted of one difference at one endpoint.

    `differing` counts pairs of the two sides, `differing_twice` pairs of two
    answers of legacy. `most_seconds` is how far apart times have been.
    """

    kind: Kind
    place: str
    differing: int = 0
    differing_twice: int = 0
    forms: set[Form] = field(default_factory=set)
    most_seconds: float = 0.0

    def note(self, difference: Difference) -> None:
        """Take note of the form of the values."""
        form, seconds = _form(difference)
        self.forms.add(form)
        self.most_seconds = max(self.most_seconds, seconds)


@dataclass(slots=True)
class Endpoint:
    """What was counted at one endpoint, by signature."""

    compared: int = 0
    asked_twice: int = 0
    places: dict[str, Place] = field(default_factory=dict)


class Noise:
    """Learns from differences which of them are noise; endpoints are route patterns with their method."""

    def __init__(self, thresholds: Thresholds | None = None) -> None:
        self.thresholds = thresholds or Thresholds()
        self.endpoints: dict[str, Endpoint] = {}

    @classmethod
    def read(cls, document: bytes, thresholds: Thresholds | None = None) -> Noise:
        """What `document` made; raises ValueError where it didn't."""
        found = cls(thresholds)
        try:
            for name, counts in orjson.loads(document).items():
                places = {
                    signature: Place(
                        Kind(place.pop("kind")), forms={Form(form) for form in place.pop("forms")}, **place
                    )
                    for signature, place in counts.pop("places").items()
                }
                found.endpoints[name] = Endpoint(**counts, places=places)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"what was learned about noise can't be read: {error!r}") from None
        return found

    def merge(self, other: Noise) -> None:
        """Take in what `other` has counted."""
        for name, counts in other.endpoints.items():
            mine = self._endpoint(name)
            if mine is None:
                continue
            mine.compared += counts.compared
            mine.asked_twice += counts.asked_twice
            for signature, place in counts.places.items():
                known = mine.places.get(signature)
                if known is None:
                    if len(mine.places) < MOST_PLACES:
                        mine.places[signature] = place
                    continue
                known.differing += place.differing
                known.differing_twice += place.differing_twice
                known.forms |= place.forms
                known.most_seconds = max(known.most_seconds, place.most_seconds)

    def document(self) -> bytes:
        """All that was learned, as JSON."""
        return json.dumps(
            {name: asdict(endpoint) for name, endpoint in self.endpoints.items()}, default=sorted
        ).encode()

    def compared(self, endpoint: str, differences: Iterable[Difference]) -> None:
        """Count a pair of the two sides and what differed in it."""
        counts = self._endpoint(endpoint)
        if counts is not None:
            counts.compared += 1
            for place in self._places(counts, differences):
                place.differing += 1

    def asked_twice(self, endpoint: str, differences: Iterable[Difference]) -> None:
        """Count two answers of legacy to the same request and what differed between them."""
        counts = self._endpoint(endpoint)
        if counts is not None:
            counts.asked_twice += 1
            for place in self._places(counts, differences):
                place.differing_twice += 1

    def judgement(self, endpoint: str, signature: str) -> Judgement:
        """Whether the difference of that signature is noise at that endpoint."""
        counts = self.endpoints.get(endpoint)
        place = counts.places.get(signature) if counts is not None else None
        if counts is None or place is None or min(counts.compared, counts.asked_twice) < self.thresholds.pairs:
            return Judgement.UNDECIDED
        sides = wilson(place.differing, counts.compared)
        itself = wilson(place.differing_twice, counts.asked_twice)
        if self._exceeds(sides[0], itself[1]):
            return Judgement.DIFFERENCE
        if place.differing_twice and not self._exceeds(sides[1], itself[0]):
            return Judgement.NOISE
        return Judgement.UNDECIDED

    def _exceeds(self, sides: float, itself: float) -> bool:
        """Whether the two sides differ more often than legacy from itself by more than both thresholds."""
        apart = sides - itself
        return (
            apart > 0
            and apart / (sides + itself) * 100 > self.thresholds.relative
            and apart * 100 > self.thresholds.absolute
        )

    def _endpoint(self, name: str) -> Endpoint | None:
        if name not in self.endpoints and len(self.endpoints) >= MOST_ENDPOINTS:
            return None
        return self.endpoints.setdefault(name, Endpoint())

    def _places(self, counts: Endpoint, differences: Iterable[Difference]) -> list[Place]:
        """The places of a pair's differences, each once."""
        found: dict[str, Place] = {}
        for difference in differences:
            place = counts.places.get(difference.signature)
            if place is None:
                if len(counts.places) >= MOST_PLACES or len(difference.signature) > LONGEST_PLACE:
                    continue
                place = counts.places[difference.signature] = Place(difference.kind, difference.place)
            place.note(difference)
            found[difference.signature] = place
        return list(found.values())


def wilson(count: int, total: int) -> tuple[float, float]:
    """The 95 % interval of a rate of which `count` of `total` were seen (Wilson's score interval)."""
    if total == 0:
        return 0.0, 1.0
    share, square = count / total, _Z * _Z
    middle = (share + square / (2 * total)) / (1 + square / total)
    half = _Z / (1 + square / total) * sqrt(share * (1 - share) / total + square / (4 * total * total))
    return max(0.0, middle - half), min(1.0, middle + half)


def _form(difference: Difference) -> tuple[Form, float]:
    """What two values are, and how many seconds they are apart where they are times."""
    if difference.kind is not Kind.VALUE or difference.legacy is None or difference.extracted is None:
        return Form.OTHER, 0.0
    values = [_value(text) for text in (difference.legacy, difference.extracted)]
    if Uuid().accepts(Kind.VALUE, values[0], values[1]):
        return Form.UUID, 0.0
    if isinstance(values[0], str) and isinstance(values[1], str):
        one, other = time_of(values[0]), time_of(values[1])
        if one is not None and other is not None and (one.tzinfo is None) is (other.tzinfo is None):
            return Form.TIME, abs((one - other).total_seconds())
    return Form.OTHER, 0.0


def _value(text: str) -> object:
    """A value from how it is shown: JSON values are JSON text, all else is what it is."""
    try:
        return json.loads(text)
    except ValueError:
        return text
