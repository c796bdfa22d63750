"""The tables of the evidence. All but those of `learned_noise` and `resets` hold it by epoch.

Counts are kept per period of PERIOD seconds, so that a report can begin later
than the evidence and retention can end it. Latencies are a histogram whose
buckets grow by a tenth, so a percentile is right to 5 %.
"""

from __future__ import annotations

import math

from sqlalchemy import BigInteger, Boolean, Column, Float, Integer, LargeBinary, MetaData, String, Table

PERIOD = 600

metadata = MetaData()

_ID = BigInteger().with_variant(Integer, "sqlite")

REPLACED = ("shadow_outcomes", "shadow_answers", "shadow_signatures", "shadow_pairs", "shadow_examples", "shadow_noise")
"""Tables of versions that kept evidence without an epoch: it proves nothing, and is deleted."""

outcomes = Table(
    "shadow_pair_outcomes",
    metadata,
    Column("migration", String, primary_key=True),
    Column("epoch", String, primary_key=True),
    Column("route", String, primary_key=True),
    Column("operation", String, primary_key=True),
    Column("period", BigInteger, primary_key=True),
    Column("outcome", String, primary_key=True),
    Column("reason", String, primary_key=True),
    Column("risk", String, primary_key=True),
    Column("evidence", Boolean, primary_key=True),
    Column("count", BigInteger, nullable=False),
)
responses = Table(
    "shadow_responses",
    metadata,
    Column("migration", String, primary_key=True),
    Column("epoch", String, primary_key=True),
    Column("operation", String, primary_key=True),
    Column("side", String, primary_key=True),
    Column("period", BigInteger, primary_key=True),
    Column("status", Integer, primary_key=True),
    Column("bucket", Integer, primary_key=True),
    Column("count", BigInteger, nullable=False),
)
signatures = Table(
    "shadow_pair_signatures",
    metadata,
    Column("migration", String, primary_key=True),
    Column("epoch", String, primary_key=True),
    Column("signature", String, primary_key=True),
    Column("period", BigInteger, primary_key=True),
    Column("operation", String, primary_key=True),
    Column("path", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("risk", String, nullable=False),
    Column("count", BigInteger, nullable=False),
)
pairs = Table(
    "shadow_stored_pairs",
    metadata,
    Column("id", _ID, primary_key=True, autoincrement=True),
    Column("migration", String, nullable=False, index=True),
    Column("epoch", String, nullable=False),
    Column("route", String, nullable=False),
    Column("operation", String, nullable=False),
    Column("at", Float, nullable=False),
    Column("outcome", String, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("document", LargeBinary, nullable=False),
)
examples = Table(
    "shadow_pair_examples",
    metadata,
    Column("migration", String, primary_key=True),
    Column("epoch", String, primary_key=True),
    Column("signature", String, primary_key=True),
    Column("slot", Integer, primary_key=True),
    Column("pair", _ID, nullable=False, index=True),
)
variety = Table(
    "shadow_variety",
    metadata,
    Column("migration", String, primary_key=True),
    Column("epoch", String, primary_key=True),
    Column("operation", String, primary_key=True),
    Column("sketches", LargeBinary, nullable=False),
)
epochs = Table(
    "shadow_epochs",
    metadata,
    Column("migration", String, primary_key=True),
    Column("epoch", String, primary_key=True),
    Column("settings", String, nullable=False),
    Column("resets", Integer, nullable=False),
    Column("legacy", String, nullable=False),
    Column("extracted", String, nullable=False),
    Column("began", Float, nullable=False),
    Column("last", Float, nullable=False),
    Column("reason", String, nullable=False),
)
resets = Table(
    "shadow_resets",
    metadata,
    Column("migration", String, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("at", Float, nullable=False),
    Column("reason", String, nullable=False),
)
self_tests = Table(
    "shadow_self_tests",
    metadata,
    Column("migration", String, primary_key=True),
    Column("epoch", String, primary_key=True),
    Column("at", Float, nullable=False),
    Column("failure", String, nullable=False),
)
learned_noise = Table(
    "shadow_learned_noise",
    metadata,
    Column("migration", String, primary_key=True),
    Column("document", LargeBinary, nullable=False),
)

_FACTOR = math.log(1.1)


def bucket_of_latency(seconds: float) -> int:
    """The number of the bucket that holds `seconds`: 0 is up to 10 microseconds."""
    return 0 if seconds <= 1e-5 else math.ceil(math.log(seconds / 1e-5) / _FACTOR)


def latency_of_bucket(bucket: int) -> float:
    """The seconds in the middle of a bucket."""
    return 1e-5 * math.exp((bucket - 0.5) * _FACTOR)


def period_of(at: float) -> int:
    """The beginning of the period that holds `at`, in seconds since 1970."""
    return int(at // PERIOD) * PERIOD
