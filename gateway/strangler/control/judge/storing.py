"""Stores what the judge finds, and reads from the store what it needs: earlier evidence, captures, resets.

The store may be away for days, slow, or replaced by another. Nothing waits for
it but the task that calls `turn`; evidence that can't be written is kept for
later, within bounds.
"""

from __future__ import annotations

import asyncio
from time import monotonic, time

import structlog

from strangler.control.judge.judging import Judging
from strangler.control.judge.store_state import StoreState
from strangler.control.messages import StoreReport
from strangler.shadow.evidence.store import ShadowStore, metadata
from strangler.shadow.evidence.unwritten import UnwrittenEvidence
from strangler.store.database import Database, StoreError

log = structlog.get_logger(part="judge")

WRITING_SHARE = 0.01
"""Maximum share of the time for writing, so that few requests are slowed by it: after 40 ms it pauses four seconds."""
LONGEST_PAUSE = 10.0
RETAIN_INTERVAL = 60.0
MOST_EXAMPLES = 500
MOST_COUNTS = 200_000
"""Maximum examples and counts that wait for a store that can't be written."""


class Storing:
    """The store of what `judging` finds. `tried` tells that it was opened, or could not be."""

    def __init__(self, judging: Judging) -> None:
        self.tried = False
        self._judging = judging
        self._store: ShadowStore | None = None
        self._url = ""
        self._state = StoreState()
        self._unwritten = UnwrittenEvidence()
        self._write_at = 0.0
        self._retained_at = monotonic()

    async def turn(self, url: str) -> None:
        """Do what is due with the store at `url`."""
        try:
            await self.open(url)
        finally:
            self.tried = True
        if monotonic() >= self._write_at:
            await self.write()
        await self._exchange_captures()
        await self._follow_resets_and_self_tests()

    async def finish(self, url: str) -> None:
        """Write everything, and close the store."""
        await self.open(url)
        await self.write()
        await self._exchange_captures()
        if self._store is not None:
            await asyncio.to_thread(self._store.database.close)

    def report(self) -> StoreReport:
        """How the store does, for the control process."""
        return self._state.report(self._judging.counted())

    def failed(self, error: str) -> None:
        """Something failed that was not foreseen."""
        self._state.failed(error)

    def lose_unwritten(self, why: str) -> None:
        """The judge ends: what is not written now is lost."""
        self._state.lose(self._state.unwritten(self._judging.counted()), why)

    async def open(self, url: str) -> None:
        """Open the store at `url`, and go on from what is in it; does nothing where it is open already.

        This is no part of applying a configuration, as the store before may be being written just then.
        """
        if self._store is not None and self._url == url:
            return
        judge = self._judging.judge
        with self._state.waiting():
            if self._store is not None:
                await asyncio.to_thread(self._store.database.close)
                self._store = None
                judge.forget()
                self._judging.captures.forget()
            try:
                store = ShadowStore(await asyncio.to_thread(Database, url, metadata))
                await asyncio.to_thread(store.drop_replaced_tables)
                before = await asyncio.to_thread(store.remembered)
            except StoreError as error:
                self._state.failed(str(error))
                return
        self._store, self._url = store, url
        self._state.responded()
        # What was learned and chosen without the store is not all that is known.
        self._unwritten.noise.clear()
        self._unwritten.keep_reservoirs(before.seen)
        judge.remember(before)

    async def write(self) -> None:
        """Write what was found since the last time, and delete what is kept no longer."""
        began = monotonic()
        total = self._judging.counted()
        evidence = self._judging.judge.flush()
        evidence.merge(self._unwritten)
        self._unwritten = UnwrittenEvidence()
        if self._store is None:
            self._keep(evidence)
            return
        try:
            with self._state.waiting():
                if evidence:
                    await self._store.write(evidence)
            self._state.written(total, began)
            evidence = UnwrittenEvidence()
            await self._retain(self._store)
        except StoreError as error:
            self._keep(evidence)
            self._state.failed(str(error))
        now = monotonic()
        self._write_at = now + min((now - began) / WRITING_SHARE, LONGEST_PAUSE)

    def _keep(self, evidence: UnwrittenEvidence) -> None:
        """Keep what could not be written for the next time, within bounds."""
        self._unwritten = evidence
        chosen = evidence.chosen
        while len(chosen) > MOST_EXAMPLES:
            del chosen[next(iter(chosen))]
        if len(evidence.outcomes) + len(evidence.responses) + len(evidence.signatures) > MOST_COUNTS:
            self._unwritten = UnwrittenEvidence()
            self._state.lose(sum(evidence.outcomes.values()), "too much waits for a store that can't be written")

    async def _retain(self, store: ShadowStore) -> None:
        if monotonic() - self._retained_at <= RETAIN_INTERVAL:
            return
        self._retained_at = monotonic()
        keeps = {name: shadow.keep for name, shadow in self._judging.judge.shadows().items()}
        with self._state.waiting():
            await store.retain(keeps, time())

    async def _exchange_captures(self) -> None:
        if self._store is None or self._state.error is not None:
            return
        try:
            with self._state.waiting():
                await self._judging.captures.exchange(self._store.database, time())
        except StoreError as error:
            self._state.failed(str(error))

    async def _follow_resets_and_self_tests(self) -> None:
        """Follow resets that an operator has written into the store, and let self-tests proceed."""
        store = self._store if self._state.error is None else None
        try:
            with self._state.waiting():
                if store is not None:
                    self._judging.judge.reset(await asyncio.to_thread(store.resets))
                await self._judging.self_tests.proceed(store)
        except StoreError as error:
            self._state.failed(str(error))
