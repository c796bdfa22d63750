"""The callers of migrations that are rolled out, as one worker counts them: who failed, who was slow, how many came.

A caller is a digest of its migration and sticky key. Each one that fails is
reported once in a scope (a step of the rollout); those that come are counted by
sketches. So the memory does not grow with the traffic.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from strangler.observe.sketch import Sketch

MOST_CALLERS = 50_000
"""Failing and slow callers of a scope that are remembered; later ones are left out: many fewer decide any test."""
MOST_IN_A_REPORT = 2_000
"""Callers in one report; later ones are reported when they fail again."""
MOST_SCOPES = 2
"""Scopes of a migration that are counted at a time: that of the newest snapshot, and one whose exchanges still run."""
LONGEST_REASON = 120
REMEMBERED_DIGESTS = 16_384
REMEMBERED_KEY = 128


def caller_digest(migration: str, key: str) -> int:
    """64 bits that stand for the caller with this sticky key."""
    # A client may choose its key, so long ones, which could fill the memory, are not remembered.
    return _remembered_digest(migration, key) if len(key) <= REMEMBERED_KEY else _digest(migration, key)


def _digest(migration: str, key: str) -> int:
    data = f"{migration}:{key}".encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(data, digest_size=8).digest())


_remembered_digest = lru_cache(REMEMBERED_DIGESTS)(_digest)


class NotedCaller(NamedTuple):
    """A caller who failed (`gate` is "errors") or was slow ("latency") on a side, in which operation and how."""

    gate: str
    side: str
    caller: int
    operation: str
    reason: str


@dataclass(frozen=True, slots=True)
class CallersReport:
    """What was counted of a migration in a scope since the last report.

    `seen` has, by side, the registers of the sketch of all callers who came in the scope so far.
    """

    migration: str
    scope: str
    noted: tuple[NotedCaller, ...]
    seen: dict[str, bytes]


class _ScopeTally:
    __slots__ = ("changed", "fresh", "known", "seen")

    def __init__(self) -> None:
        self.known: set[tuple[str, str, int]] = set()
        self.fresh: list[NotedCaller] = []
        self.seen: dict[str, Sketch] = {"legacy": Sketch(), "extracted": Sketch()}
        self.changed: set[str] = set()


class CallerTally:
    """Counts callers by migration and scope."""

    __slots__ = ("_tallies",)

    def __init__(self) -> None:
        self._tallies: dict[str, dict[str, _ScopeTally]] = {}

    def see(self, migration: str, scope: str, side: str, caller: int) -> None:
        """A caller has come."""
        tally = self._tally(migration, scope)
        if tally.seen[side].add(caller):
            tally.changed.add(side)

    def note(self, migration: str, scope: str, noted: NotedCaller) -> None:
        """A caller has failed, or was slow."""
        tally = self._tally(migration, scope)
        key = (noted.gate, noted.side, noted.caller)
        if key in tally.known or len(tally.known) >= MOST_CALLERS or len(tally.fresh) >= MOST_IN_A_REPORT:
            return
        tally.known.add(key)
        tally.fresh.append(noted._replace(reason=noted.reason[:LONGEST_REASON]))

    def take(self) -> list[CallersReport]:
        """What was counted since the last call."""
        reports = []
        for migration, tallies in self._tallies.items():
            for scope, tally in tallies.items():
                if tally.fresh or tally.changed:
                    seen = {side: bytes(tally.seen[side].registers) for side in sorted(tally.changed)}
                    reports.append(CallersReport(migration, scope, tuple(tally.fresh), seen))
                    tally.fresh = []
                    tally.changed = set()
        return reports

    def keep(self, migrations: set[str]) -> None:
        """Forget all other migrations, whose callers are no longer counted."""
        self._tallies = {name: tallies for name, tallies in self._tallies.items() if name in migrations}

    def _tally(self, migration: str, scope: str) -> _ScopeTally:
        tallies = self._tallies.setdefault(migration, {})
        tally = tallies.get(scope)
        if tally is None:
            tally = tallies[scope] = _ScopeTally()
            while len(tallies) > MOST_SCOPES:
                del tallies[next(iter(tallies))]
        return tally
