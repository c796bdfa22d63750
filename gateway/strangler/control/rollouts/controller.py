"""What people and the admin API ask of the rollouts: where they stand, what happened, and orders.

Several gateways on one store elect one controller; each of them can be asked
and given orders, which go through the store to the one that leads.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from time import monotonic, time
from typing import Any

import structlog

from strangler.config.values.rollout import step_text
from strangler.control.rollouts.engine import RolloutEngine
from strangler.control.rollouts.errors import NoController, NotPermitted, StoreUnavailable, UnknownMigration
from strangler.control.rollouts.measured import Stored
from strangler.control.rollouts.plans import RolloutPlan
from strangler.control.rollouts.record_store import (
    StoredRecord,
    published,
    read_audit,
    read_freeze,
    read_records,
    read_refusal,
    write_audit,
    write_command,
    write_freeze,
)
from strangler.control.rollouts.views import (
    AuditDocument,
    FreezeView,
    GateView,
    RolloutsView,
    RolloutView,
    StuckView,
)
from strangler.rollout.audit import AuditEntry, as_dict
from strangler.rollout.evidence import Command, CommandKind
from strangler.rollout.moves import next_step
from strangler.rollout.states import RolloutState
from strangler.store.database import StoreError

log = structlog.get_logger(part="rollouts")

CARRIED_OUT_WITHIN = 5.0
"""Seconds to wait for the controller that leads to carry out an order."""
POLL = 0.05


class RolloutController:
    """Shows and orders the rollouts of `engine`."""

    def __init__(self, engine: RolloutEngine) -> None:
        self._engine = engine

    async def status(self) -> RolloutsView:
        """Where all rollouts stand, by this gateway's last turn; never fails."""
        engine = self._engine
        stored = engine.stored
        return RolloutsView(
            gateway=engine.gateway,
            leads=engine.leads,
            problem=engine.problem,
            freeze=None if stored is None else stored.freeze,
            rollouts={
                name: _view(plan, stored.records[name], stored)
                for name, plan in engine.plans.items()
                if stored is not None and name in stored.records
            },
        )

    async def history(self, migration: str, limit: int = 100) -> list[AuditDocument]:
        """The newest `limit` audit entries of a migration, the newest first.

        Raises UnknownMigration and StoreUnavailable.
        """
        self._check(migration)
        try:
            return await self._engine.store.read(lambda connection: read_audit(connection, migration, limit))
        except StoreError as error:
            raise StoreUnavailable(str(error)) from error

    async def command(
        self, migration: str, kind: CommandKind, *, by: str, reason: str = "", force: bool = False
    ) -> RolloutsView:
        """Have the controller carry out an order of `by`, and wait for that. Returns the status afterwards.

        `approve` and `promote` are about where the rollout stands now. Raises
        UnknownMigration, NotPermitted with the reason, StoreUnavailable, and
        NoController where none has carried it out within a few seconds.
        """
        self._check(migration)
        try:
            refusal = await self._ordered(migration, Command(0, kind, by, reason, None, force))
        except StoreError as error:
            raise StoreUnavailable(str(error)) from error
        if refusal is None:
            raise NoController(f"no gateway has carried it out within {CARRIED_OUT_WITHIN:g} s; the order is stored")
        if refusal:
            raise NotPermitted(refusal)
        return await self.status()

    async def freeze(self, *, by: str, reason: str) -> RolloutsView:
        """Let no rollout begin or go forward; rollbacks still happen. Raises StoreUnavailable."""
        await self._set_freeze(FreezeView(by, time(), reason), by, reason)
        return await self.status()

    async def unfreeze(self, *, by: str, reason: str = "") -> RolloutsView:
        """End the freeze. Raises NotPermitted where there is none, and StoreUnavailable."""
        await self._set_freeze(None, by, reason)
        return await self.status()

    def _check(self, migration: str) -> None:
        if migration not in self._engine.plans:
            known = ", ".join(self._engine.plans) or "none"
            raise UnknownMigration(f"there is no migration '{migration}' with a section 'rollout' (there are: {known})")

    async def _ordered(self, migration: str, command: Command) -> str | None:
        """Why the order was refused, "" where it was carried out, None where it still waits."""
        engine, now = self._engine, time()

        def write(_: Any, connection: Any) -> int:
            known = read_records(connection).get(migration)
            scope = None if known is None else known.record.scope
            return write_command(connection, migration, replace(command, scope=scope), now)

        number = await engine.store.write(write)
        end = monotonic() + CARRIED_OUT_WITHIN
        refusal = None
        while refusal is None and monotonic() < end:
            engine.wake()
            await asyncio.sleep(POLL)
            refusal = await engine.store.read(lambda connection: read_refusal(connection, number))
        return refusal

    async def _set_freeze(self, freeze: FreezeView | None, by: str, reason: str) -> None:
        engine = self._engine
        what = "unfrozen" if freeze is None else "frozen"

        def write(database: Any, connection: Any) -> bool:
            if freeze is None and read_freeze(connection) is None:
                return False
            write_freeze(database, connection, freeze)
            for name, known in read_records(connection).items():
                write_audit(connection, name, [_note(known, what, by, reason)])
            return True

        try:
            done = await engine.store.write(write)
        except StoreError as error:
            raise StoreUnavailable(str(error)) from error
        if not done:
            raise NotPermitted("the rollouts are not frozen")
        log.info("rollouts are " + what, who=by, reason=reason)
        await engine.turn()


def _note(known: StoredRecord, what: str, who: str, reason: str) -> AuditDocument:
    """An audit entry of what changes no rollout."""
    record = known.record
    return as_dict(
        AuditEntry(
            at=time(),
            migration=record.migration,
            what=what,
            who=who,
            reason=reason,
            from_state=record.state,
            to_state=record.state,
            from_share=known.share,
            to_share=known.share,
            revision=record.revision,
            configuration="",
            readings=(),
        )
    )


def _view(plan: RolloutPlan, known: StoredRecord, stored: Stored) -> RolloutView:
    record, policy = known.record, plan.policy
    have = published(record.publication, dict(stored.workers.get(plan.migration, {})))
    return RolloutView(
        migration=plan.migration,
        state=str(record.state),
        held=None if record.held is None else str(record.held.state),
        stage=plan.stage,
        step=_step(plan, known),
        steps=tuple(map(_step_text, policy.steps)),
        next_step=_next_step(plan, known),
        share=plan.fixed_share if plan.stage is not None else known.share,
        attempt=record.attempt,
        revision=record.revision,
        since=record.entered,
        reason=record.reason,
        paused=None if record.pause is None else f"{record.pause.reason} ({record.pause.who})",
        stuck=None if record.stuck is None else StuckView(*record.stuck),
        gates=tuple(GateView(**gate) for gate in known.shown["gates"]),
        missing=known.shown["missing"],
        seconds_to_go=known.shown["seconds"],
        dry_run=policy.dry_run,
        writes=plan.writes,
        workers=have.workers,
        acknowledged=have.acknowledged,
    )


def _step(plan: RolloutPlan, known: StoredRecord) -> str:
    record = known.record
    if record.effective in (RolloutState.SHADOWING, RolloutState.PROVING) and plan.policy.is_shadowed_first:
        return "shadow"
    if known.share == 0:
        return "legacy"
    return _step_text(plan.policy.steps[min(record.step, len(plan.policy.steps) - 1)])


def _next_step(plan: RolloutPlan, known: StoredRecord) -> str | None:
    policy, record = plan.policy, known.record
    match record.effective:
        case RolloutState.WAITING:
            number = 0
        case RolloutState.SHADOWING:
            number = 1 if policy.is_shadowed_first else 0
        case RolloutState.PROVING | RolloutState.CANARY:
            number = next_step(policy, record)
        case _:
            return None
    return _step_text(policy.steps[min(number, len(policy.steps) - 1)])


def _step_text(percent: float) -> str:
    """`shadow`, `5 %` or `extracted`."""
    text = step_text(percent)
    return f"{text} %" if text[0].isdigit() else text
