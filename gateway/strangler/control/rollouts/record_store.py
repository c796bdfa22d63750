"""The records, the audit, the orders and the freeze of rollouts in the store.

A change of a record and its audit entries are one transaction, and only the
controller that has seen the newest record can save another.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import delete, insert, select, update
from sqlalchemy import func as sql
from sqlalchemy.engine import Connection

from strangler.control.rollouts.scopes import scope_of, scope_text
from strangler.control.rollouts.tables import audit, commands, freezes, gateways, records
from strangler.control.rollouts.views import AuditDocument, FreezeView
from strangler.rollout.evidence import Command, CommandKind, Published, Scope
from strangler.rollout.record import Record, RecordError, from_json, to_json
from strangler.shadow.evidence.store import reset
from strangler.store.database import Database

MOST_ENTRIES = 10_000
"""Audit entries of a migration that are kept."""
MOST_COMMANDS = 1_000
ALIVE = 10.0
"""Seconds after which a gateway that has not reported its workers no longer counts."""


class Superseded(Exception):
    """Another controller has saved the record meanwhile."""


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record with what belongs to it: its serial number, the resets at the beginning of its attempt, what it wants.

    `shown` is what people are shown of the gates.
    """

    record: Record
    serial: int
    resets: int
    share: float
    shadowed: bool
    shown: dict[str, Any]


class Change(NamedTuple):
    """A record to save in the place of the one with `stored`'s serial number, None for the first one of a migration."""

    stored: StoredRecord | None
    record: Record
    share: float
    shadowed: bool
    shown: dict[str, Any]
    entries: Sequence[AuditDocument] = ()
    command: tuple[int, str] | None = None
    new_attempt: str = ""


class WorkersOf(NamedTuple):
    """How many workers a gateway has, and how many of them serve by a publication."""

    publication: int
    workers: int
    acknowledged: int


def read_records(connection: Connection) -> dict[str, StoredRecord]:
    """All records by migration. Raises RecordError."""
    found = {}
    for row in connection.execute(select(records)):
        try:
            record = from_json(row.document)
        except RecordError as error:
            raise RecordError(f"rollout of {row.migration}: {error}") from error
        shown = json.loads(row.shown)
        found[row.migration] = StoredRecord(record, row.serial, row.resets, row.share, bool(row.shadowed), shown)
    return found


def save(database: Database, connection: Connection, change: Change, now: float) -> StoredRecord:
    """Save a change. Raises Superseded where another controller was faster."""
    record, stored = change.record, change.stored
    resets = 0 if stored is None else stored.resets
    if change.new_attempt:
        resets = reset(database, connection, record.migration, change.new_attempt, now)
    row = {
        "document": to_json(record),
        "resets": resets,
        "share": change.share,
        "shadowed": change.shadowed,
        "shown": json.dumps(change.shown),
    }
    serial = 1 if stored is None else stored.serial + 1
    if stored is None:
        known = select(records.c.serial).where(records.c.migration == record.migration)
        if connection.execute(known).first() is not None:
            raise Superseded(record.migration)
        connection.execute(insert(records).values(migration=record.migration, serial=serial, **row))
    else:
        mine = (records.c.migration == record.migration) & (records.c.serial == stored.serial)
        if connection.execute(update(records).where(mine).values(serial=serial, **row)).rowcount != 1:
            raise Superseded(record.migration)
    write_audit(connection, record.migration, change.entries)
    if change.command is not None:
        number, refusal = change.command
        connection.execute(update(commands).where(commands.c.number == number).values(refusal=refusal))
    return StoredRecord(record, serial, resets, change.share, change.shadowed, change.shown)


def write_audit(connection: Connection, migration: str, entries: Iterable[AuditDocument]) -> None:
    """Add audit entries."""
    rows = [{"migration": migration, "at": entry["at"], "document": json.dumps(entry)} for entry in entries]
    if rows:
        connection.execute(insert(audit), rows)


def read_audit(connection: Connection, migration: str, limit: int) -> list[AuditDocument]:
    """The newest entries, the newest first."""
    query = select(audit.c.document).where(audit.c.migration == migration).order_by(audit.c.id.desc()).limit(limit)
    return [json.loads(document) for document in connection.execute(query).scalars()]


# Orders


def write_command(connection: Connection, migration: str, command: Command, now: float) -> int:
    """Add an order, whose number is given here and returned."""
    result = connection.execute(
        insert(commands)
        .values(
            migration=migration,
            at=now,
            kind=str(command.kind),
            who=command.who,
            reason=command.reason,
            scope="" if command.scope is None else scope_text(command.scope),
            force=command.force,
            refusal=None,
        )
        .returning(commands.c.number)
    )
    return int(result.scalar_one())


def read_commands(connection: Connection) -> dict[str, list[Command]]:
    """The orders that wait, by migration, in their order."""
    found: dict[str, list[Command]] = {}
    for row in connection.execute(select(commands).where(commands.c.refusal.is_(None)).order_by(commands.c.number)):
        scope: Scope | None = scope_of(row.scope) if row.scope else None
        command = Command(row.number, CommandKind(row.kind), row.who, row.reason, scope, bool(row.force))
        found.setdefault(row.migration, []).append(command)
    return found


def read_refusal(connection: Connection, number: int) -> str | None:
    """Why an order was refused, "" where it was carried out, None while it waits."""
    found: str | None = connection.execute(select(commands.c.refusal).where(commands.c.number == number)).scalar()
    return found


# The freeze


def read_freeze(connection: Connection) -> FreezeView | None:
    """The freeze, if there is one."""
    row = connection.execute(select(freezes)).first()
    return None if row is None else FreezeView(row.who, row.at, row.reason)


def write_freeze(database: Database, connection: Connection, freeze: FreezeView | None) -> None:
    """Begin or end the freeze."""
    if freeze is None:
        connection.execute(delete(freezes))
    else:
        row = {"id": 1, "who": freeze.by, "at": freeze.at, "reason": freeze.reason}
        database.put(connection, freezes, [row])


# What workers have


def write_workers(
    database: Database, connection: Connection, gateway: str, of: dict[str, WorkersOf], now: float
) -> None:
    """Report what the workers of a gateway serve by."""
    rows = [{"gateway": gateway, "migration": name, "at": now, **one._asdict()} for name, one in of.items()]
    database.put(connection, gateways, rows)


def read_workers(connection: Connection, now: float) -> dict[str, dict[str, WorkersOf]]:
    """By migration and gateway, what workers serve by; without gateways that are gone."""
    found: dict[str, dict[str, WorkersOf]] = {}
    for row in connection.execute(select(gateways).where(gateways.c.at >= now - ALIVE)):
        found.setdefault(row.migration, {})[row.gateway] = WorkersOf(row.publication, row.workers, row.acknowledged)
    return found


def forget_gateway(connection: Connection, gateway: str) -> None:
    """A gateway ends: nothing waits for its workers."""
    connection.execute(delete(gateways).where(gateways.c.gateway == gateway))


def published(publication: int, of: dict[str, WorkersOf]) -> Published:
    """How many workers of all gateways have a publication."""
    return Published(
        publication,
        sum(one.workers for one in of.values()),
        sum(one.acknowledged for one in of.values() if one.publication == publication),
    )


def retain_records(connection: Connection, migrations: Iterable[str], now: float) -> None:
    """Delete audit entries beyond MOST_ENTRIES, orders that were carried out long ago, and gateways that are gone."""
    for migration in migrations:
        newest = select(audit.c.id).where(audit.c.migration == migration).order_by(audit.c.id.desc())
        oldest = connection.execute(newest.offset(MOST_ENTRIES).limit(1)).scalar()
        if oldest is not None:
            connection.execute(delete(audit).where(audit.c.migration == migration, audit.c.id <= oldest))
    last = connection.execute(select(sql.max(commands.c.number))).scalar()
    if last is not None:
        connection.execute(
            delete(commands).where(commands.c.refusal.is_not(None), commands.c.number <= last - MOST_COMMANDS)
        )
    connection.execute(delete(gateways).where(gateways.c.at < now - 100 * ALIVE))
