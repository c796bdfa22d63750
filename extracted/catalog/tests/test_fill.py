"""Copying the catalog of a monolith's database, again and again."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from catalog_service.database import DatabaseError, open_engine, open_source
from catalog_service.fill import Filled, FillError, fill
from catalog_service.migrate import is_migrated, migrate, newest_revision
from catalog_service.schema import categories, metadata, products

COLUMNS = "id, sku, name, description, category_id, price_cents, stock, created_at"
ATLAS = (1, "BOO-1", "Atlas", "Maps", 1, 1250, 17, "2026-01-05 08:00:00.999999")
SPADE = (2, "GAR-1", "Spade", "", 2, 990, 0, "2026-01-06 08:00:00")


class Shop:
    """The monolith's database, as far as it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run("CREATE TABLE catalog_category (id, slug, name)")
        self.run(f"CREATE TABLE catalog_product ({COLUMNS})")
        self.run("INSERT INTO catalog_category VALUES (1, 'books', 'Books'), (2, 'garden', 'Garden')")
        self.add(ATLAS, SPADE)

    def add(self, *rows: tuple[object, ...]) -> None:
        for row in rows:
            self.run("INSERT INTO catalog_product VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)

    def run(self, statement: str, values: tuple[object, ...] = ()) -> None:
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute(statement, values)

    def fill(self, target: Engine) -> Filled:
        source = open_source(f"sqlite:///{self.path}")
        try:
            return fill(source, target)
        finally:
            source.dispose()


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "shop % ü.sqlite3")


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(f"sqlite:///{tmp_path}/var/catalog.sqlite3")
    migrate(engine)
    yield engine
    engine.dispose()


def kept(target: Engine) -> list[tuple[object, ...]]:
    columns = (products.c.id, products.c.name, categories.c.slug, products.c.price_cents, products.c.stock)
    found = sa.select(*columns).join_from(products, categories).order_by(products.c.id)
    with target.connect() as connection:
        return [tuple(row) for row in connection.execute(found)]


def test_all_products_are_there_afterwards(shop: Shop, target: Engine) -> None:
    assert shop.fill(target) == Filled(2, 2, 0)
    assert kept(target) == [(1, "Atlas", "books", 1250, 17), (2, "Spade", "garden", 990, 0)]
    with target.connect() as connection:
        created = connection.execute(sa.select(products.c.created_at).where(products.c.id == 1)).scalar_one()
    assert created.isoformat() == "2026-01-05T08:00:00.999999+00:00"


def test_again_it_adds_updates_and_removes(shop: Shop, target: Engine) -> None:
    shop.fill(target)
    shop.run("UPDATE catalog_product SET stock = 16, category_id = 3 WHERE id = 1")
    shop.run("DELETE FROM catalog_product WHERE id = 2")
    shop.run("DELETE FROM catalog_category")
    shop.run("INSERT INTO catalog_category VALUES (3, 'maps', 'Maps'), (4, 'toys', 'Toys')")
    shop.add((3, "TOY-1", "Kite", "", 4, 100, 1, "2026-01-07 08:00:00"))
    assert shop.fill(target) == Filled(2, 2, 3)
    assert kept(target) == [(1, "Atlas", "maps", 1250, 16), (3, "Kite", "toys", 100, 1)]


def test_products_may_have_swapped_skus(shop: Shop, target: Engine) -> None:
    shop.fill(target)
    shop.run("UPDATE catalog_product SET sku = CASE id WHEN 1 THEN 'GAR-1' ELSE 'BOO-1' END")
    shop.fill(target)
    with target.connect() as connection:
        found = connection.execute(sa.select(products.c.sku).order_by(products.c.id)).scalars()
        assert list(found) == ["GAR-1", "BOO-1"]


def test_more_than_one_batch(shop: Shop, target: Engine) -> None:
    shop.run(
        "WITH RECURSIVE n(i) AS (SELECT 3 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)"
        f" INSERT INTO catalog_product ({COLUMNS})"
        " SELECT i, 'S' || i, 'Name', '', 1, 100, 1, '2026-01-01 00:00:00' FROM n"
    )
    assert shop.fill(target) == Filled(2, 2500, 0)
    shop.run("DELETE FROM catalog_product WHERE id > 2")
    assert shop.fill(target) == Filled(2, 2, 2498)
    assert [row[0] for row in kept(target)] == [1, 2]


def test_a_database_without_products_changes_nothing(shop: Shop, target: Engine) -> None:
    shop.fill(target)
    before = kept(target)
    shop.run("UPDATE catalog_category SET slug = 'changed'")
    shop.run("DELETE FROM catalog_product")
    with pytest.raises(FillError, match="no products"):
        shop.fill(target)
    assert kept(target) == before


def test_the_source_is_never_written_to(shop: Shop) -> None:
    source = open_source(f"sqlite:///{shop.path}")
    with source.connect() as connection, pytest.raises(sa.exc.OperationalError, match="readonly"):
        connection.execute(sa.text("DELETE FROM catalog_product"))
    source.dispose()


def test_a_source_that_is_not_there_is_no_empty_one(tmp_path: Path) -> None:
    missing = tmp_path / "missing.sqlite3"
    with pytest.raises(DatabaseError, match="there is no file"):
        open_source(f"sqlite:///{missing}")
    assert not missing.exists()


@pytest.mark.parametrize("url", ["nonsense", "mysql://host/x", "sqlite://", "sqlite:///:memory:"])
def test_databases_that_are_not_supported(url: str) -> None:
    with pytest.raises(DatabaseError):
        open_engine(url)


def test_migrating_again_changes_nothing(target: Engine) -> None:
    assert migrate(target) == newest_revision()
    with target.connect() as connection:
        assert is_migrated(connection)


def test_the_tables_are_what_the_code_takes_them_for(target: Engine) -> None:
    for table in metadata.sorted_tables:
        found = {column["name"]: column["nullable"] for column in sa.inspect(target).get_columns(table.name)}
        assert found == {column.name: column.nullable for column in table.c}


def test_an_empty_database_is_not_migrated(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/new.sqlite3")
    with engine.connect() as connection:
        assert not is_migrated(connection)
    engine.dispose()
