"""How the store of evidence does: its errors, what is not written yet, and what is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

import structlog

from strangler.control.messages import StoreReport

log = structlog.get_logger(part="judge")

LATE = 3.0
"""Seconds without a response after which the store has a problem."""


class StoreState:
    """Kept by the judge. `error` is why the last attempt failed, None where it succeeded."""

    def __init__(self) -> None:
        self.error: str | None = None
        self._errors = 0
        self._waits_since: float | None = None
        self._late = False
        self._settled = 0
        self._lost = 0
        self._written_at = monotonic()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """The judge waits for the store, which may take too long."""
        self._waits_since = monotonic()
        try:
            yield
            if self._late and self.error is None:
                log.info("the store responds again")
        finally:
            self._waits_since = None
            self._late = False

    def failed(self, error: str) -> None:
        """The store could not be read or written."""
        self._errors += 1
        if error != self.error:
            log.error("evidence can't be stored", error=error)
        self.error = error

    def responded(self) -> None:
        """The store can be read and written."""
        if self.error is not None:
            log.info("the store responds again")
        self.error = None

    def written(self, total: int, began: float) -> None:
        """All `total` pairs that were judged until `began` are written or lost."""
        self.responded()
        self._settled = total
        self._written_at = began

    def lose(self, pairs: int, why: str) -> None:
        """`pairs` that were judged will never be written."""
        if pairs > 0:
            self._lost += pairs
            self._settled += pairs
            log.error("evidence is lost", pairs=pairs, why=why, error=self.problem())

    def unwritten(self, total: int) -> int:
        """How many of `total` judged pairs are neither written nor lost."""
        return max(0, total - self._settled)

    def problem(self) -> str | None:
        """Why nothing can be written now: the last error, or that the store has been silent for LATE seconds."""
        if self._waits_since is None or (waited := monotonic() - self._waits_since) < LATE:
            return self.error
        if not self._late:
            self._late = True
            self._errors += 1
            log.error("the store does not respond", seconds=round(waited, 1), before=self.error)
        return self.error or f"the store has not responded for {waited:.0f} s"

    def report(self, total: int) -> StoreReport:
        """The state for the control process, where `total` pairs have been judged."""
        unwritten = self.unwritten(total)
        return StoreReport(
            error=self.problem(),
            errors=self._errors,
            unwritten=unwritten,
            oldest=monotonic() - self._written_at if unwritten else 0.0,
            lost=self._lost,
        )
