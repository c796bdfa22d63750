"""Copying the stock of a monolith's database, again and again."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from inventory_service.database import open_engine, open_source
from inventory_service.fill import Filled, FillError, fill, key_of
from inventory_service.migrate import is_migrated, migrate, newest_revision
from inventory_service.schema import metadata, stock
from inventory_service.store import Stock, find_stock, release, reserve


class Shop:
    """The monolith's database, as far as it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run("CREATE TABLE catalog_product (id, sku, stock)")
        self.run("INSERT INTO catalog_product VALUES (1, 'A', 17), (2, 'B', 0)")
        self.run("CREATE TABLE orders_order (id, status)")
        self.run("CREATE TABLE orders_orderitem (id, order_id, product_id, quantity)")

    def run(self, statement: str) -> None:
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute(statement)

    def fill(self, target: Engine) -> Filled:
        source = open_source(f"sqlite:///{self.path}")
        try:
            return fill(source, target)
        finally:
            source.dispose()


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "shop.sqlite3")


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(f"sqlite:///{tmp_path}/var/inventory.sqlite3")
    migrate(engine)
    yield engine
    engine.dispose()


def kept(target: Engine) -> dict[int, int]:
    with target.connect() as connection:
        rows = connection.execute(sa.select(stock.c.product_id, stock.c.available).order_by(stock.c.product_id))
        return {row.product_id: row.available for row in rows}


def test_a_second_fill_follows_the_monolith(shop: Shop, target: Engine) -> None:
    assert shop.fill(target) == Filled(2, 0, 0)
    assert kept(target) == {1: 17, 2: 0}
    shop.run("UPDATE catalog_product SET stock = 5 WHERE id = 1")
    shop.run("DELETE FROM catalog_product WHERE id = 2")
    shop.run("INSERT INTO catalog_product VALUES (3, 'C', 9)")
    assert shop.fill(target) == Filled(2, 1, 0)
    assert kept(target) == {1: 5, 3: 9}


def test_stock_that_was_reserved_here_stays(shop: Shop, target: Engine) -> None:
    shop.fill(target)
    with target.connect().execution_options(writes=True) as connection, connection.begin():
        reserve(connection, "a", {1: 2})
    shop.run("UPDATE catalog_product SET stock = 100")
    shop.fill(target)
    assert kept(target) == {1: 15, 2: 100}
    shop.run("DELETE FROM catalog_product WHERE id = 1")
    assert shop.fill(target) == Filled(1, 0, 0)


def test_what_pending_orders_hold_is_reserved_once(shop: Shop, target: Engine) -> None:
    shop.run("INSERT INTO orders_order VALUES (7, 'pending'), (8, 'paid')")
    shop.run("INSERT INTO orders_orderitem VALUES (1, 7, 2, 3), (2, 7, 1, 1), (3, 8, 1, 5)")
    assert shop.fill(target) == Filled(2, 0, 1)
    assert shop.fill(target) == Filled(2, 0, 0)
    with target.connect().execution_options(writes=True) as connection, connection.begin():
        assert (find_stock(connection, 1), find_stock(connection, 2)) == (Stock(1, 17, 1), Stock(2, 0, 3))
        assert release(connection, key_of(7)).quantities == {2: 3, 1: 1}
    assert kept(target) == {1: 18, 2: 3}


def test_a_database_without_products_changes_nothing(shop: Shop, target: Engine) -> None:
    shop.fill(target)
    shop.run("DELETE FROM catalog_product")
    with pytest.raises(FillError, match="no products"):
        shop.fill(target)
    assert kept(target) == {1: 17, 2: 0}


def test_the_tables_are_what_the_code_takes_them_for(target: Engine) -> None:
    assert migrate(target) == newest_revision()
    with target.connect() as connection:
        assert is_migrated(connection)
    for table in metadata.tables.values():
        found = {column["name"]: column["nullable"] for column in sa.inspect(target).get_columns(table.name)}
        assert found == {column.name: column.nullable for column in table.c}
