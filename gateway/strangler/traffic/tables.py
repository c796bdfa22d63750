"""The tables of traffic. They hold at most eight days of each route, side and upstream that had requests."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, String, Table

metadata = MetaData()

_NAME = String(200)

requests = Table(
    "traffic_requests",
    metadata,
    Column("hour", Integer, primary_key=True, comment="hours since 1970"),
    Column("route", _NAME, primary_key=True),
    Column("side", String(9), primary_key=True),
    Column("upstream", _NAME, primary_key=True),
    Column("requests", BigInteger, nullable=False),
)
callers = Table(
    "traffic_callers",
    metadata,
    Column("day", Integer, primary_key=True, comment="days since 1970, of UTC"),
    Column("route", _NAME, primary_key=True),
    Column("side", String(9), primary_key=True),
    Column("upstream", _NAME, primary_key=True),
    Column("sketch", LargeBinary, nullable=False, comment="registers of observe.sketch"),
)
