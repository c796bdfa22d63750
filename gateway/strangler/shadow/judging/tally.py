"""What became of a migration's requests since the judge began: for metrics and status, which show what is live."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from time import monotonic

from strangler.comparison.compare import Outcome
from strangler.shadow.pair import Reason

WINDOW = 60.0
"""Seconds over which is judged whether anything is compared."""

SILENT_AFTER = 20
"""Requests in the window without a comparison, from which on something is wrong."""

_MATCH = Outcome.MATCH.value


@dataclass(slots=True)
class Second:
    """How many requests came in a `second`, and how many of them had two responses that could be compared."""

    second: int
    requests: int
    compared: int


@dataclass(slots=True)
class ShadowTally:
    """Outcomes by their reason.

    `recent` has the seconds in which requests came.
    """

    outcomes: dict[tuple[str, str], int] = field(default_factory=dict)
    recent: deque[Second] = field(default_factory=deque)

    def __post_init__(self) -> None:
        # A series that begins with its first event has no rate at that moment.
        for outcome in Outcome:
            if outcome is not Outcome.NOT_COMPARED:
                self.outcomes[(str(outcome), "")] = 0

    def add(self, outcome: Outcome, reason: str, count: int) -> None:
        """Count `count` requests; `reason` is a reason or a rule."""
        silent = outcome is Outcome.FAILED or (outcome is Outcome.NOT_COMPARED and reason != Reason.RACY)
        self._add((outcome.value, reason), count, 0 if silent else count)

    def add_match(self, reason: str) -> None:
        """Count a request whose two responses match."""
        self._add((_MATCH, reason), 1, 1)

    def _add(self, key: tuple[str, str], count: int, compared: int) -> None:
        self.outcomes[key] = self.outcomes.get(key, 0) + count
        second = int(monotonic())
        recent = self.recent
        if recent and (latest := recent[-1]).second == second:
            latest.requests += count
            latest.compared += compared
        else:
            recent.append(Second(second, count, compared))
            while recent[0].second < second - WINDOW:
                recent.popleft()

    @property
    def empty(self) -> bool:
        """Whether no request has come yet."""
        return not any(self.outcomes.values())

    def problem(self) -> str | None:
        """Why this shadow proves nothing at the moment, or None."""
        recent = [entry for entry in self.recent if entry.second >= monotonic() - WINDOW]
        seen = sum(entry.requests for entry in recent)
        if seen < SILENT_AFTER or any(entry.compared for entry in recent):
            return None
        reasons = sorted(
            (
                (count, reason)
                for (outcome, reason), count in self.outcomes.items()
                if outcome in (Outcome.NOT_COMPARED, Outcome.FAILED) and reason
            ),
            reverse=True,
        )
        listed = ", ".join(f"{reason} {count}" for count, reason in reasons[:4])
        return f"none of the last {seen} requests was compared ({listed})"
