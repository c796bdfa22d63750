"""What the judge has found since the last time it was written, and which pairs are kept as examples.

Of each signature a reservoir of RESERVOIR examples is kept, in which every pair
that ever had it has the same chance to be (Vitter's algorithm R, 1985), and
beside it the latest one. Of pairs that match, the same per operation.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from strangler.comparison.compare import Outcome
from strangler.comparison.difference import OTHERS
from strangler.shadow.evidence.epochs import Epoch, Reset
from strangler.shadow.evidence.variety import Variety

RESERVOIR = 5
LATEST = -1
SIGNATURES = 1000
"""Maximum signatures counted separately in one epoch; further ones are counted as OTHERS."""

AGAINST = frozenset((Outcome.MISMATCH, Outcome.UNSTEADY, Outcome.LAG, Outcome.FAILED))
"""Outcomes that count against the candidate."""

AUTHENTICATION = "authentication"
"""The risk class of pairs in which a side asked for credentials, refused them, or refused a method."""


EQUAL_ERROR = "equal error"
"""The reason of a match that is no evidence: the same error on both sides."""


class OutcomeKey(NamedTuple):
    """What a count of requests is of.

    `reason` is a reason or a rule; `risk` the worst of the differences, or
    AUTHENTICATION; `evidence` whether the proof rests on them.
    """

    migration: str
    epoch: str
    route: str
    operation: str
    period: int
    outcome: str
    reason: str
    risk: str
    evidence: bool


class ResponseKey(NamedTuple):
    """What a count of responses is of; `status` is 0 where none came, `bucket` that of the latency."""

    migration: str
    epoch: str
    operation: str
    side: str
    period: int
    status: int
    bucket: int


class SignatureKey(NamedTuple):
    """What a count of differences is of."""

    migration: str
    epoch: str
    signature: str
    period: int
    operation: str
    path: str
    kind: str
    risk: str


class ExampleSlot(NamedTuple):
    """A place among the examples."""

    migration: str
    epoch: str
    signature: str
    slot: int


class Example(NamedTuple):
    """A pair as it is kept; `document` makes what is stored of it, redacted, once it is sure to be."""

    migration: str
    epoch: str
    route: str
    operation: str
    at: float
    outcome: str
    document: Callable[[], dict[str, Any]]


class Tested(NamedTuple):
    """What the last self-test of an epoch came to: when, and what was wrong; nothing where `failure` is empty."""

    at: float
    failure: str


Key = TypeVar("Key")


class EpochOf(NamedTuple):
    """An epoch of a migration."""

    migration: str
    epoch: str


class RouteOf(NamedTuple):
    """A route in an epoch of a migration."""

    migration: str
    epoch: str
    route: str


class OperationOf(NamedTuple):
    """An operation in an epoch of a migration."""

    migration: str
    epoch: str
    operation: str


class SignatureOf(NamedTuple):
    """A signature in an epoch of a migration."""

    migration: str
    epoch: str
    signature: str


@dataclass(slots=True)
class UnwrittenEvidence:
    """What was found since the last time it was written; `variety` is all that is known of it."""

    outcomes: dict[OutcomeKey, int] = field(default_factory=dict)
    responses: dict[ResponseKey, int] = field(default_factory=dict)
    signatures: dict[SignatureKey, int] = field(default_factory=dict)
    chosen: dict[ExampleSlot, Example] = field(default_factory=dict)
    noise: dict[str, bytes] = field(default_factory=dict)
    variety: dict[OperationOf, bytes] = field(default_factory=dict)
    epochs: dict[EpochOf, Epoch] = field(default_factory=dict)
    self_tests: dict[EpochOf, Tested] = field(default_factory=dict)

    def merge(self, older: UnwrittenEvidence) -> None:
        """Take in what could not be written before."""
        _add(self.outcomes, older.outcomes)
        _add(self.responses, older.responses)
        _add(self.signatures, older.signatures)
        self.chosen = {**older.chosen, **self.chosen}
        self.noise = {**older.noise, **self.noise}
        self.variety = {**older.variety, **self.variety}
        self.epochs = {**older.epochs, **self.epochs}
        self.self_tests = {**older.self_tests, **self.self_tests}

    def keep_reservoirs(self, seen: Mapping[SignatureOf, int]) -> None:
        """Leave the stored examples of signatures that were `seen` before, but for the latest one, as they are."""
        self.chosen = {
            place: example
            for place, example in self.chosen.items()
            if place.slot == LATEST or SignatureOf(place.migration, place.epoch, place.signature) not in seen
        }

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in self.__slots__)


def _add(counts: dict[Key, int], others: Mapping[Key, int]) -> None:
    for key, count in others.items():
        counts[key] = counts.get(key, 0) + count


@dataclass(frozen=True, slots=True)
class RememberedEvidence:
    """What a store holds of what judges have found.

    How often each signature was `seen`, how much evidence each route has
    (by migration, epoch, route), what was `learned` of each migration's noise,
    and what the evidence rests on.
    """

    seen: Mapping[SignatureOf, int]
    evidence: Mapping[RouteOf, int]
    learned: Mapping[str, bytes]
    epochs: Mapping[str, list[Epoch]]
    resets: Mapping[str, Reset]
    variety: Mapping[OperationOf, Variety]


class Reservoirs:
    """Chooses which pairs are kept as examples, without asking the store.

    `seen` is how often each signature was seen before.
    """

    def __init__(self, seen: dict[SignatureOf, int] | None = None) -> None:
        self._seen: dict[SignatureOf, int] = {}
        self._many: dict[EpochOf, int] = {}
        self.merge(seen or {})

    def merge(self, seen: Mapping[SignatureOf, int]) -> None:
        """Take in how often signatures were seen elsewhere."""
        for key in seen:
            self._note(key)
        _add(self._seen, seen)

    def keep(self, migration: str, epochs: set[str]) -> None:
        """Forget the signatures of all epochs of a migration but these."""
        self._seen = {
            key: count for key, count in self._seen.items() if key.migration != migration or key.epoch in epochs
        }
        self._many = {
            key: count for key, count in self._many.items() if key.migration != migration or key.epoch in epochs
        }

    def _note(self, key: SignatureOf) -> None:
        """Count a signature that was not seen before."""
        if key not in self._seen:
            epoch = EpochOf(key.migration, key.epoch)
            self._many[epoch] = self._many.get(epoch, 0) + 1

    def slots(self, migration: str, epoch: str, signature: str) -> list[int]:
        """The places that the next pair with this signature takes: always the latest, perhaps one of the reservoir."""
        place = self.draw(SignatureOf(migration, epoch, signature))
        return [LATEST] if place is None else [LATEST, place]

    def draw(self, key: SignatureOf) -> int | None:
        """The place of the reservoir that the next pair with this signature takes, if any."""
        number = self._seen.get(key, 0) + 1
        if number == 1:
            self._note(key)
        self._seen[key] = number
        place = number - 1 if number <= RESERVOIR else int(random.random() * number)
        return place if place < RESERVOIR else None

    def known(self, migration: str, epoch: str, signature: str) -> str:
        """The signature, or OTHERS where the epoch has too many."""
        if SignatureOf(migration, epoch, signature) in self._seen:
            return signature
        return signature if self._many.get(EpochOf(migration, epoch), 0) < SIGNATURES else OTHERS
