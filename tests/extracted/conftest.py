"""A PostgreSQL server for the services that write."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.store.postgresql_server import postgresql_server, programs


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a server's database, for SQLAlchemy; tests of one service share it."""
    if programs() is None:
        pytest.skip("PostgreSQL is not installed")
    with postgresql_server() as url:
        yield url.replace("postgresql:", "postgresql+psycopg:")
