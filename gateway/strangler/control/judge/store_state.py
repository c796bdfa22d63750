"""How the store of evidence does: errors, what has not been written yet, and what never will be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

import structlog

from strangler.control.messages import Writing

log = structlog.get_logger(part="judge")

LATE = 3.0
"""Seconds after which a store that has not answered counts as one that does not."""


class StoreState:
    """Kept by the judge. `error` is why the last attempt failed, None where it did not."""

    def __init__(self) -> None:
        self.error: str | None = None
        self._errors = 0
        self._asked: float | None = None
        self._late = False
        self._settled = 0
        self._lost = 0
        self._written_at = monotonic()

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Something is asked of the store, which may take too long."""
        self._asked = monotonic()
        try:
            yield
            if self._late and self.error is None:
                log.info("the store answers again")
        finally:
            self._asked = None
            self._late = False

    def failed(self, error: str) -> None:
        """Nothing could be read or written just now."""
        self._errors += 1
        if error != self.error:
            log.error("evidence can't be stored", error=error)
        self.error = error

    def answered(self) -> None:
        """The store can be read and written."""
        if self.error is not None:
            log.info("the store answers again")
        self.error = None

    def written(self, total: int, began: float) -> None:
        """All `total` pairs that were judged until `began` are written or lost."""
        self.answered()
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
        """Why nothing can be written now; also while the store has not answered for LATE seconds."""
        if self._asked is None or (waited := monotonic() - self._asked) < LATE:
            return self.error
        if not self._late:
            self._late = True
            self._errors += 1
            log.error("the store does not answer", seconds=round(waited, 1), before=self.error)
        return self.error or f"the store has not answered for {waited:.0f} s"

    def writing(self, total: int) -> Writing:
        """What to tell, where `total` pairs have been judged."""
        error = self.problem()
        unwritten = self.unwritten(total)
        oldest = monotonic() - self._written_at if unwritten else 0.0
        return Writing(error, self._errors, unwritten, oldest, self._lost)
