"""The turns of all rollouts in this control process: read the store, decide where this gateway leads, save, publish.

Every gateway takes turns. It writes what its workers have counted and serve by,
reads the records and publishes what they want. The one that leads decides
besides: each record is saved, with its audit, before anything is published. It
may die between any two of these; whoever leads next goes on from the store.

A store that can't be read or written holds every rollout: nothing is decided,
and workers go on with what they have.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
from collections.abc import Callable, Mapping
from dataclasses import replace
from time import time

import structlog
from sqlalchemy.engine import Connection

from strangler.config.compile.rollout import Placement, placed
from strangler.config.load import Loaded
from strangler.control.rollouts.caller_store import UnwrittenCallers, read_reasons
from strangler.control.rollouts.deciding import SAVED_EVERY, Decided, decide, dependency_of, placement_of
from strangler.control.rollouts.election import Candidacy, candidacy
from strangler.control.rollouts.measured import Stored, Surroundings, evidence_of, is_of_configuration, revision_of
from strangler.control.rollouts.plans import RolloutPlan, plans_of, share_in_configuration
from strangler.control.rollouts.prometheus import EVERY, MetricReadings
from strangler.control.rollouts.record_store import StoredRecord, Superseded, WorkersOf, forget_gateway, save
from strangler.control.rollouts.rollout_store import RolloutStore
from strangler.control.rollouts.scopes import scope_text
from strangler.control.rollouts.webhook import Notifier
from strangler.observe.worker_report import WorkerReport
from strangler.rollout.audit import AuditEntry
from strangler.rollout.evidence import Dependency
from strangler.rollout.record import Record, RecordError
from strangler.rollout.states import Event, RolloutState
from strangler.store.database import Database, StoreError

log = structlog.get_logger(part="rollouts")

TURN = 0.5
"""Seconds between two turns."""
FIRST_READ = 2.0
"""Seconds for which the start of the gateway waits for the records."""
ELECTION_DEADLINE = 4.0
REPORTED_EVERY = 2.0
"""Seconds after which a gateway reports its workers although nothing has changed."""
RETAINED_EVERY = 3600.0
CLOSE_DEADLINE = 2.0


class RolloutEngine:
    """Takes turns for all migrations with a section `rollout`.

    `serving` returns how many workers there are, and how many of them serve by the
    newest snapshot. `on_placed` is called when another snapshot has to be
    published. `stored` is what the last turn has read, `problem` why nothing is
    decided now.
    """

    def __init__(self, serving: Callable[[], tuple[int, int]], on_placed: Callable[[], None]) -> None:
        self.gateway = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"
        self.plans: Mapping[str, RolloutPlan] = {}
        self.stored: Stored | None = None
        self.leads = False
        self.problem: str | None = None
        self.metrics = MetricReadings()
        self.notifier = Notifier()
        self._serving = serving
        self._on_placed = on_placed
        self._loaded: Loaded | None = None
        self._store: RolloutStore | None = None
        self._candidacy: Candidacy | None = None
        self._election: asyncio.Task[bool] | None = None
        self._wake = asyncio.Event()
        self._turning = asyncio.Lock()
        self._placements: dict[str, Placement] = {}
        self._publications: dict[str, int] = {}
        self._advanced: dict[str, tuple[int, Record]] = {}
        self._saved_at: dict[str, float] = {}
        self._unwritten = UnwrittenCallers()
        self._routes: Mapping[str, str] = {}
        self._reported: tuple[float, dict[str, WorkersOf]] = (0.0, {})
        self._retained_at = 0.0

    def __repr__(self) -> str:
        stands = "leads" if self.leads else "follows"
        trouble = "" if self.problem is None else f", {self.problem}"
        return f"<RolloutEngine of {self.gateway}, {len(self.plans)} rollouts, {stands}{trouble}>"

    # Configuration and snapshot

    def apply(self, loaded: Loaded) -> None:
        """Go by another configuration; to be called before its snapshot is published."""
        before = self._loaded
        self._loaded = loaded
        self.plans = plans_of(loaded)
        self._routes = {route: plan.migration for plan in self.plans.values() for route in plan.routes}
        if before is not None and before.snapshot.store != loaded.snapshot.store:
            # Records are of their store.
            self._placements = {}
            self.stored = None
        self._place()
        self._wake.set()

    def placed(self, loaded: Loaded) -> Loaded:
        """`loaded` with the snapshot that workers should have."""
        self._publications = {name: one.record.publication for name, one in self._followed().items()}
        snapshot = placed(loaded.snapshot, loaded.model, self._placements)
        return loaded if snapshot is loaded.snapshot else replace(loaded, snapshot=snapshot)

    def take(self, report: WorkerReport) -> None:
        """Take a worker's report."""
        if not self.plans:
            return
        now = time()
        for callers in report.callers:
            self._unwritten.add(callers, now)
        self._unwritten.add_latencies(report.requests, self._routes, now)

    @property
    def store(self) -> RolloutStore:
        """The store; that of the running configuration from the next turn on."""
        if self._store is None:
            assert self._loaded is not None
            self._store = RolloutStore(self._loaded.snapshot.store.url)
        return self._store

    def wake(self) -> None:
        """Take the next turn at once."""
        self._wake.set()

    # Turns

    async def prepare(self) -> None:
        """Read where the rollouts stand before the first snapshot is published, if that takes no longer than a moment.

        Otherwise their callers begin on the legacy side.
        """
        if not self.plans:
            return
        try:
            async with asyncio.timeout(FIRST_READ):
                self.stored = await self.store.read_stored(self.plans, time())
        except (TimeoutError, StoreError, RecordError) as error:
            self._failed(str(error) or f"the store has not responded within {FIRST_READ:g} s")
        self._place()

    async def run(self) -> None:
        """Take turns until cancelled."""
        measuring = asyncio.create_task(self._measure())
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), TURN)
                self._wake.clear()
                await self.turn()
        finally:
            measuring.cancel()

    async def turn(self) -> None:
        """Take one turn; whatever fails is the `problem` until a turn succeeds."""
        async with self._turning:
            if not self.plans:
                await self._resign()
                self.problem = None
                return
            try:
                await self._turn(time())
            except Superseded as error:
                self._advanced.clear()
                log.warning("another controller has moved a rollout", migration=str(error))
            except (StoreError, RecordError) as error:
                self._failed(str(error))
            except Exception as error:
                # Whatever it is, the next turn may succeed, and until then nothing moves.
                log.exception("a turn of the rollouts failed unexpectedly")
                self._failed(repr(error))
            else:
                if self.problem is not None:
                    log.info("rollouts go on")
                self.problem = None

    async def _turn(self, now: float) -> None:
        await self._leave_other_store()
        plans, store = self.plans, self.store
        self.leads = await self._elect()
        await self._report(store, now)
        stored = await store.read_stored(plans, now, self.stored)
        if plans is not self.plans:
            return  # the configuration was loaded again meanwhile
        self.stored = stored
        if self.leads:
            await self._decide(store, stored, now)
        self._publish_changes()
        if self.leads and now - self._retained_at > RETAINED_EVERY:
            self._retained_at = now
            await store.retain(plans, now)

    async def _decide(self, store: RolloutStore, stored: Stored, now: float) -> None:
        decided = self._decisions(stored, now)
        due = {
            name: one
            for name, one in decided.items()
            if one.is_news or now - self._saved_at.get(name, 0.0) >= SAVED_EVERY
        }
        saved = await store.write(lambda database, connection: _save(database, connection, due, now)) if due else {}
        self.stored = replace(stored, records={**stored.records, **saved})
        for name, one in decided.items():
            known = self.stored.records.get(name)
            assert known is not None
            self._advanced[name] = (known.serial, one.change.record)
            if name in saved:
                self._saved_at[name] = now
            for entry, document in zip(one.audit, one.change.entries, strict=True):
                _report_entry(entry)
                webhook = self.plans[name].webhook
                if webhook is not None:
                    self.notifier.notify(webhook, document)
        if any(len(commands) > 1 for commands in stored.commands.values()):
            self._wake.set()

    def _decisions(self, stored: Stored, now: float) -> dict[str, Decided]:
        """The decisions about all rollouts, those first that others depend on."""
        assert self._loaded is not None
        configuration = self._loaded.snapshot.version
        decided: dict[str, Decided] = {}
        for name, plan in self.plans.items():
            known = stored.records.get(name)
            if known is None and plan.stage is not None:
                continue
            dependencies = tuple(
                one for other in plan.policy.depends_on if (one := self._dependency(other, stored, decided)) is not None
            )
            around = Surroundings(configuration, self.metrics.of(plan), dependencies)
            record = self._record(plan, known, stored, now)
            decided[name] = decide(plan, known, record, evidence_of(plan, record, stored, around), now)
        return decided

    def _record(self, plan: RolloutPlan, known: StoredRecord | None, stored: Stored, now: float) -> Record:
        """The record to go on from: the stored one, with the time that it has served since it was saved."""
        if known is None:
            revision = revision_of(plan, stored.traffic.pairs[plan.migration])
            return Record(migration=plan.migration, revision=revision, entered=now)
        serial, advanced = self._advanced.get(plan.migration, (0, known.record))
        return advanced if serial == known.serial else known.record

    def _dependency(self, name: str, stored: Stored, decided: Mapping[str, Decided]) -> Dependency | None:
        plan, known = self.plans.get(name), stored.records.get(name)
        if plan is not None and plan.stage is None:
            if name in decided:
                change = decided[name].change
                known = StoredRecord(change.record, 0, 0, change.share, change.shadowed, {})
            return None if known is None else dependency_of(name, plan.policy, known)
        assert self._loaded is not None
        share = share_in_configuration(self._loaded, name)
        return None if share is None else Dependency(name, share, rolled_back=False)

    # Publishing

    def _followed(self) -> dict[str, StoredRecord]:
        """The records by which workers serve: those of the migrations that the controller moves."""
        records = {} if self.stored is None else self.stored.records
        found = {}
        for name, plan in self.plans.items():
            known = records.get(name)
            if known is None or plan.stage is not None:
                continue
            # A proof of something else is none: the next turn begins anew.
            if is_of_configuration(plan, known.record) or known.record.state is RolloutState.EXTRACTED:
                found[name] = known
        return found

    def _place(self) -> bool:
        """Put the migrations where the records want them; whether that is another place."""
        if self.stored is None:
            return False
        before, self._placements = self._placements, {n: placement_of(one) for n, one in self._followed().items()}
        return before != self._placements

    def _publish_changes(self) -> None:
        publications = {name: one.record.publication for name, one in self._followed().items()}
        if self._place() or publications != self._publications:
            self._on_placed()
            # Acknowledgements are due, and a promotion waits for them.
            self._wake.set()

    # What this gateway reports

    async def _report(self, store: RolloutStore, now: float) -> None:
        workers, acknowledged = self._serving()
        of = {name: WorkersOf(number, workers, acknowledged) for name, number in self._publications.items()}
        reported_at, reported = self._reported
        unwritten, self._unwritten = self._unwritten, UnwrittenCallers()
        if not unwritten and of == reported and now - reported_at < REPORTED_EVERY:
            return
        try:
            await store.report(self.gateway, of, unwritten, now)
        except StoreError:
            unwritten.merge(self._unwritten)
            self._unwritten = unwritten
            raise
        self._reported = (now, of)

    async def _elect(self) -> bool:
        """Whether this gateway leads. Raises StoreError where the store does not say so in time."""
        if self._election is not None and not self._election.done():
            raise StoreError("the election of a controller waits for the store")
        if self._candidacy is None:
            self._candidacy = candidacy(self.store.url)
        self._election = asyncio.create_task(asyncio.to_thread(self._candidacy.leads))
        done, _ = await asyncio.wait([self._election], timeout=ELECTION_DEADLINE)
        if not done:
            raise StoreError(f"the store has not responded within {ELECTION_DEADLINE:g} s")
        leads = self._election.result()
        if leads and not self.leads:
            log.info("this gateway leads the rollouts", gateway=self.gateway)
            self._advanced.clear()
        return leads

    async def _measure(self) -> None:
        """Ask for the numbers of metric gates, for as long as this gateway leads."""
        while True:
            if self.leads:
                try:
                    await self.metrics.ask({name: plan for name, plan in self.plans.items() if plan.stage is None})
                except Exception:
                    # The values grow old, and with old ones nothing is promoted.
                    log.exception("the numbers of metric gates can't be asked for")
            await asyncio.sleep(EVERY if self.leads else TURN)

    def _failed(self, problem: str) -> None:
        if problem != self.problem:
            log.error("rollouts hold", problem=problem)
        self.problem = problem
        self.leads = False

    async def _leave_other_store(self) -> None:
        """Close the store of an earlier configuration."""
        assert self._loaded is not None
        if self._store is not None and self._store.url != self._loaded.snapshot.store.url:
            former, self._store = self._store, None
            await self._resign()
            await former.close()

    # The end

    async def _resign(self) -> None:
        self.leads = False
        held, self._candidacy = self._candidacy, None
        if held is not None:
            await asyncio.to_thread(held.resign)

    async def close(self) -> None:
        """Let another gateway lead, and close the store; takes CLOSE_DEADLINE at most."""
        with contextlib.suppress(TimeoutError, StoreError):
            async with asyncio.timeout(CLOSE_DEADLINE):
                await self.notifier.close()
                if self._store is not None and self.plans:
                    await self._store.write(lambda _, connection: forget_gateway(connection, self.gateway))
                await self._resign()
                if self._store is not None:
                    await self._store.close()


def _save(
    database: Database, connection: Connection, decided: Mapping[str, Decided], now: float
) -> dict[str, StoredRecord]:
    for name, one in decided.items():
        if one.change.stored is not None:
            for entry in one.change.entries:
                if entry["what"] == Event.FAILED:
                    scope = scope_text(one.change.stored.record.scope)
                    entry["callers"] = [each._asdict() for each in read_reasons(connection, name, scope)]
    return {name: save(database, connection, one.change, now) for name, one in decided.items()}


def _report_entry(entry: AuditEntry) -> None:
    write = log.error if entry.to_state is RolloutState.ROLLED_BACK and entry.what == "failed" else log.info
    write(
        "rollout",
        migration=entry.migration,
        what=entry.what,
        who=entry.who,
        reason=entry.reason,
        from_state=str(entry.from_state),
        to_state=str(entry.to_state),
        share=entry.to_share,
    )
