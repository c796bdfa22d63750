"""A database of histories."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from order_history_service.database import open_engine
from order_history_service.migrate import migrate
from order_history_service.settings import Settings, read_settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return read_settings(
        {
            "JWKS": str(tmp_path / "jwks.json"),
            "BROKER_URL": "nats://127.0.0.1:1",
            "DATABASE_URL": f"sqlite:///{tmp_path}/order_history.sqlite3",
        }
    )


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    engine = open_engine(settings.database_url)
    migrate(engine)
    yield engine
    engine.dispose()
