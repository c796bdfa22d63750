"""The tables of rollouts: where each stands, what people ordered, what was decided, and the callers that were counted.

A scope is the text of `scopes.scope_text`. Times are seconds since 1970.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, Integer, LargeBinary, MetaData, String, Table

metadata = MetaData()

_ID = BigInteger().with_variant(Integer, "sqlite")

records = Table(
    "rollout_records",
    metadata,
    Column("migration", String, primary_key=True),
    # Rises with each change, so that of two controllers only one can save.
    Column("serial", BigInteger, nullable=False),
    Column("document", String, nullable=False),
    # How often the shadow's evidence had been reset when the attempt began.
    Column("resets", Integer, nullable=False),
    Column("share", Float, nullable=False),
    Column("shadowed", Boolean, nullable=False),
    Column("shown", String, nullable=False),
)
audit = Table(
    "rollout_audit",
    metadata,
    Column("id", _ID, primary_key=True, autoincrement=True),
    Column("migration", String, nullable=False, index=True),
    Column("at", Float, nullable=False),
    Column("document", String, nullable=False),
    sqlite_autoincrement=True,
)
commands = Table(
    "rollout_commands",
    metadata,
    # Never given twice: a rollout remembers the number of its last command.
    Column("number", _ID, primary_key=True, autoincrement=True),
    Column("migration", String, nullable=False, index=True),
    Column("at", Float, nullable=False),
    Column("kind", String, nullable=False),
    Column("who", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("scope", String, nullable=False),
    Column("force", Boolean, nullable=False),
    # None while it waits, "" once carried out, else why it was refused.
    Column("refusal", String, nullable=True),
    sqlite_autoincrement=True,
)
freezes = Table(
    "rollout_freeze",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("who", String, nullable=False),
    Column("at", Float, nullable=False),
    Column("reason", String, nullable=False),
)
gateways = Table(
    "rollout_gateways",
    metadata,
    Column("gateway", String, primary_key=True),
    Column("migration", String, primary_key=True),
    Column("at", Float, nullable=False),
    Column("publication", BigInteger, nullable=False),
    Column("workers", Integer, nullable=False),
    Column("acknowledged", Integer, nullable=False),
)
noted_callers = Table(
    "rollout_noted_callers",
    metadata,
    Column("migration", String, primary_key=True),
    Column("scope", String, primary_key=True),
    Column("gate", String, primary_key=True),
    Column("side", String, primary_key=True),
    Column("caller", String, primary_key=True),
    Column("at", Float, nullable=False),
    Column("operation", String, nullable=False),
    Column("reason", String, nullable=False),
)
seen_callers = Table(
    "rollout_seen_callers",
    metadata,
    Column("migration", String, primary_key=True),
    Column("scope", String, primary_key=True),
    Column("side", String, primary_key=True),
    Column("at", Float, nullable=False),
    Column("registers", LargeBinary, nullable=False),
)
latencies = Table(
    "rollout_latencies",
    metadata,
    Column("migration", String, primary_key=True),
    Column("route", String, primary_key=True),
    Column("period", BigInteger, primary_key=True),
    Column("bucket", Integer, primary_key=True),
    Column("count", BigInteger, nullable=False),
)
