"""A catalog service in this process, with a handful of products that are hard to find."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from catalog_service.app import build_app
from catalog_service.database import open_engine
from catalog_service.migrate import migrate
from catalog_service.schema import categories, products
from catalog_service.settings import Settings, read_settings

CATEGORIES = [(1, "books", "Books"), (2, "garden", "Garden & Ümgebung"), (3, "empty", "Empty")]

# id, name, description, category, cents, stock, created
PRODUCTS = [
    (1, "Atlas", "Maps, 100% of them", 1, 1250, 17, datetime(2026, 1, 5, 8, 0, 0, 999999, UTC)),
    (2, "Ästhetik", "Über das Schöne", 1, 990, 0, datetime(2026, 1, 5, 8, 0, 0, 5, UTC)),
    (3, "atlas", "Lower case; under_score", 1, 1250, 3, datetime(2026, 1, 4, tzinfo=UTC)),
    (4, "Zange", "Back\\slash", 2, 5, 1, datetime(2026, 1, 6, tzinfo=UTC)),
    (5, "Spade", "MAPLE handle", 2, 9999999999, 2, datetime(2026, 1, 7, tzinfo=UTC)),
    (6, "\U0001f331 seed", "beyond the basic plane", 2, 100, 9, datetime(2026, 1, 8, tzinfo=UTC)),
    (7, "\uff21 full width", "below it", 2, 100, 9, datetime(2026, 1, 9, tzinfo=UTC)),
]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Of a service whose database is migrated and filled."""
    settings = read_settings({"DATABASE_URL": f"sqlite:///{tmp_path}/var/catalog.sqlite3"})
    engine = open_engine(settings.database_url)
    migrate(engine)
    with engine.begin() as connection:
        for row in CATEGORIES:
            connection.execute(sa.insert(categories).values(row))
        for number, name, description, category, cents, stock, created in PRODUCTS:
            values = (number, f"SKU-{number}", name, description, category, cents, stock, created)
            connection.execute(sa.insert(products).values(values))
    engine.dispose()
    return settings


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    app = build_app(settings)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://catalog") as client,
    ):
        yield client
