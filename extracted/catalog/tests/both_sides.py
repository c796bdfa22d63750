"""The monolith's catalog and this service with the same products, both as processes, the service also with a bug."""

from __future__ import annotations

import contextlib
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from .asked import TAGGED
from .sides import Answer, Case, Sides, converse, run, seed_monolith, serving, serving_monolith

COMMAND = [sys.executable, "-m", "catalog_service"]


@contextlib.contextmanager
def both_sides(folder: Path, *bugs: str) -> Iterator[Mapping[str, Sides]]:
    """The two sides, under the name of the service's bug; under "" the service that has none."""
    shop = folder / "shop.sqlite3"
    seed_monolith(shop, {})
    add_products(shop)
    service = {
        "DATABASE_URL": f"sqlite:///{folder}/catalog.sqlite3",
        "MONOLITH_DATABASE_URL": str(shop),
        "PORT": "0",
    }
    run([*COMMAND, "fill"], folder, service)
    with contextlib.ExitStack() as running:
        monolith = running.enter_context(serving_monolith(shop, {}, folder / "shop.log")).port
        tags = {name: entity_tag(monolith, target) for name, target in TAGGED.items()}
        found = {}
        for bug in ("", *bugs):
            log = folder / f"catalog{bug}.log"
            served = running.enter_context(serving([*COMMAND, "serve"], folder, {**service, "CATALOG_BUG": bug}, log))
            found[bug] = Sides(monolith, served.port, tags)
        yield found


def add_products(database: Path) -> None:
    """What the sample shop lacks: letters beyond Latin, marks that LIKE knows, extreme prices and times."""
    rows = [
        (201, "Ähre", "100% _raw_ \\ 'quoted' \"twice\"", 9, 1, 1, "2026-01-05 08:00:00.999999"),
        (202, "ähre", "ÄHRE in capitals", 9, 1, 0, "2026-01-05 08:00:00.000001"),
        (203, "\U0001f331 seed", "beyond the basic plane", 9, 2147483647, 2147483647, "1999-12-31 23:59:59"),
        (204, "\uff21 full width", "ﬁ ligature, İ, ß, K", 9, 100, 9, "2026-01-05 08:00:00"),
        (205, "tab\there", "line\nbreak \x85 \u2028 <b>&amp;</b>", 9, 99, 9, "2026-01-05 08:00:00.5"),
        (206, "Zz", "", 10, 100, 9, "2030-02-28 00:00:00"),
        (10**18 - 1, "Last", "of all", 9, 100, 9, "2026-01-05 08:00:00"),
    ]
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.executemany(
            "INSERT INTO catalog_category (id, slug, name) VALUES (?, ?, ?)",
            [(9, "odd_-9", "Odd & Übrig"), (10, "nearly", "Nearly"), (11, "empty", "Empty")],
        )
        connection.executemany(
            "INSERT INTO catalog_product (id, sku, name, description, category_id, price_cents, stock,"
            " created_at) VALUES (?1, 'ODD-' || ?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            rows,
        )


def entity_tag(port: int, target: str) -> str:
    answer = Answer.read(converse(port, Case(200, "GET", target).message({})))
    return dict(answer.headers)["etag"]
