"""Epochs: which evidence belongs together.

Evidence is about one version of both sides under one set of rules. An epoch is
identified by these: by what of the configuration decides about responses and
their comparison, by how often an operator has reset the migration, and by the
versions that both sides report in a header. The same ones make the same epoch on
every gateway and after every restart; others make another, which begins with
no evidence.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple

from strangler.shadow.pair import Pair

LONGEST_VERSION = 100
MOST_AN_HOUR = 20
"""Maximum new versions of a migration's sides within an hour; a header with more contains no version."""

CHANGING = "(another with each response)"
"""Represents the version of a side whose header has none."""


class EpochKey(NamedTuple):
    """What makes an epoch: a digest of the `settings`, the number of `resets`, and both sides' versions."""

    settings: str
    resets: int = 0
    legacy: str = ""
    extracted: str = ""

    @property
    def id(self) -> str:
        """The same on every machine."""
        return blake2b("\n".join(map(str, self)).encode(), digest_size=6).hexdigest()


@dataclass(slots=True)
class Epoch:
    """An epoch of a migration: since when, until when (seconds since 1970), and why it began."""

    migration: str
    key: EpochKey
    began: float
    last: float
    reason: str
    id: str = field(init=False)

    def __post_init__(self) -> None:
        self.id = self.key.id  # computed once: the judge needs it for every pair


@dataclass(frozen=True, slots=True)
class Reset:
    """How often an operator has begun a migration's evidence anew, and why the last time."""

    number: int = 0
    reason: str = ""


class Epochs:
    """The epochs of one migration, as its judge sees them."""

    def __init__(self, migration: str, settings: str, version_header: str | None, now: float) -> None:
        self._migration = migration
        self._reset = Reset()
        self._known: dict[str, Epoch] = {}
        self._versions = _pattern(version_header)
        self._begun: deque[float] = deque(maxlen=MOST_AN_HOUR)
        self.current = self._enter(EpochKey(settings), now, "first evidence")

    @property
    def id(self) -> str:
        """That of the present epoch."""
        return self.current.id

    def configure(self, settings: str, version_header: str | None, now: float) -> None:
        """The configuration was loaded again; another one begins an epoch."""
        self._versions = _pattern(version_header)
        key = self.current.key._replace(settings=settings)
        if version_header is None:
            key = key._replace(legacy="", extracted="")
        if key != self.current.key:
            self.current = self._enter(key, now, "the migration's configuration changed")

    def reset(self, reset: Reset, now: float) -> None:
        """An operator has reset the migration that often by now."""
        if reset.number != self._reset.number:
            self._reset = reset
            key = self.current.key._replace(resets=reset.number)
            self.current = self._enter(key, now, f"reset: {reset.reason}" if reset.reason else "reset")

    def remember(self, stored: Sequence[Epoch]) -> None:
        """Go on from what is stored: the present epoch may have begun long ago."""
        if not stored:
            return
        latest = max(stored, key=lambda epoch: epoch.last)
        key = self.current.key
        if self._versions is not None and not key.legacy and not key.extracted:
            # No response has reported a version yet: the earlier ones hold until one does.
            key = key._replace(legacy=latest.key.legacy, extracted=latest.key.extracted)
        self._known = {epoch.key.id: epoch for epoch in stored}
        self.current = self._enter(key, self.current.began, _why(latest.key, key))

    def forget(self, now: float) -> None:
        """Begin anew, for another store: nothing is known of resets and epochs."""
        self._reset = Reset()
        self._known = {}
        self.current = self._enter(self.current.key._replace(resets=0), now, "first evidence")

    def of(self, pair: Pair) -> str:
        """The epoch to which `pair` belongs, which is the present one from now on."""
        pattern = self._versions
        if pattern is not None and not pair.legacy.missing and not pair.extracted.missing:
            before = self.current.key
            # A response without the header, as an error page of a proxy, is of the version that is known.
            legacy = _version(pattern, pair.legacy.head) or before.legacy
            extracted = _version(pattern, pair.extracted.head) or before.extracted
            if (legacy, extracted) != (before.legacy, before.extracted):
                self._turn(before._replace(legacy=legacy, extracted=extracted), pair.at)
        return self.current.id

    def _turn(self, key: EpochKey, now: float) -> None:
        if key.id not in self._known:
            if len(self._begun) == MOST_AN_HOUR and now - self._begun[0] < 3600:
                key = key._replace(legacy=CHANGING, extracted=CHANGING)
            else:
                self._begun.append(now)
        self.current = self._enter(key, now, _why(self.current.key, key))

    def _enter(self, key: EpochKey, now: float, reason: str) -> Epoch:
        epoch = self._known.get(key.id)
        if epoch is None:
            epoch = self._known[key.id] = Epoch(self._migration, key, now, now, reason)
        return epoch


def _why(before: EpochKey, after: EpochKey) -> str:
    """Why an epoch ended and another began."""
    if before.settings != after.settings:
        return "the migration's configuration changed"
    if before.resets != after.resets:
        return "reset"
    sides = [
        f"{side} is version {new or 'unknown'}, was {old or 'unknown'}"
        for side, old, new in (
            ("legacy", before.legacy, after.legacy),
            ("extracted", before.extracted, after.extracted),
        )
        if old != new
    ]
    return ", ".join(sides) or "first evidence"


def _pattern(header: str | None) -> re.Pattern[bytes] | None:
    if header is None:
        return None
    return re.compile(rb"^%b:[ \t]*([^\r\n]*)" % re.escape(header.encode()), re.IGNORECASE | re.MULTILINE)


def _version(pattern: re.Pattern[bytes], head: bytes) -> str:
    match = pattern.search(head)
    return "" if match is None else match[1].strip(b" \t")[:LONGEST_VERSION].decode("utf-8", "backslashreplace")
