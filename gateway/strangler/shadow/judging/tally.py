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


@dataclass(slots=True)
class ShadowTally:
    """Outcomes by their reason.

    `recent` has for each second how many requests came in it, and how many of
    them had two responses that could be compared.
    """

    outcomes: dict[tuple[str, str], int] = field(default_factory=dict)
    recent: deque[tuple[int, int, int]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        # A series that begins with its first event has no rate at that moment.
        for outcome in Outcome:
            if outcome is not Outcome.NOT_COMPARED:
                self.outcomes[(str(outcome), "")] = 0

    def add(self, outcome: Outcome, reason: str, count: int) -> None:
        """Count `count` requests; `reason` is a reason or a rule."""
        key = (str(outcome), reason)
        self.outcomes[key] = self.outcomes.get(key, 0) + count
        second = int(monotonic())
        silent = outcome is Outcome.FAILED or (outcome is Outcome.NOT_COMPARED and reason != Reason.RACY)
        compared = 0 if silent else count
        if self.recent and self.recent[-1][0] == second:
            _, seen, before = self.recent.pop()
            self.recent.append((second, seen + count, before + compared))
        else:
            self.recent.append((second, count, compared))
            while self.recent[0][0] < second - WINDOW:
                self.recent.popleft()

    @property
    def empty(self) -> bool:
        """Whether no request has come yet."""
        return not any(self.outcomes.values())

    def problem(self) -> str | None:
        """Why this shadow proves nothing at the moment, or None."""
        recent = [entry for entry in self.recent if entry[0] >= monotonic() - WINDOW]
        seen = sum(count for _, count, _ in recent)
        if seen < SILENT_AFTER or any(compared for _, _, compared in recent):
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
