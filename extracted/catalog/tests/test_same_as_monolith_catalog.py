"""The service answers as the monolith does, to the byte: both run as processes, and are asked the same.

Every request is listed with the status that it should get, so that two sides that refuse it for the same
wrong reason don't pass for equal.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .asked import ASKED, LIST, TAGGED
from .sides import MONOLITH, Answer, Case, Sides, answers, converse, run, seed_monolith, serving, serving_monolith

pytestmark = pytest.mark.skipif(not (MONOLITH / "manage.py").is_file(), reason="the monolith is not in this checkout")


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sides]:
    folder = tmp_path_factory.mktemp("sides")
    shop = folder / "shop.sqlite3"
    seed_monolith(shop, {})
    add_products(shop)
    service = {
        "DATABASE_URL": f"sqlite:///{folder}/catalog.sqlite3",
        "MONOLITH_DATABASE_URL": str(shop),
        "PORT": "0",
    }
    command = [sys.executable, "-m", "catalog_service"]
    run([*command, "fill"], folder, service)
    with (
        serving_monolith(shop, {}, folder / "shop.log") as monolith,
        serving([*command, "serve"], folder, service, folder / "catalog.log") as served,
    ):
        tags = {name: entity_tag(monolith.port, target) for name, target in TAGGED.items()}
        yield Sides(monolith.port, served.port, tags)


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


@pytest.mark.parametrize("case", ASKED, ids=str)
def test_same_answer(sides: Sides, case: Case) -> None:
    monolith, service = sides.ask(case)
    assert monolith == service
    assert service.status == case.status
    assert bool(service.body) == (case.method != "HEAD" and case.status != 304)


@pytest.mark.parametrize(
    "query", ["", "page_size=7", "q=a&in_stock=true&page_size=5", "ordering=-price&category=toys&page_size=4"]
)
def test_links_lead_through_all_pages_and_back(sides: Sides, query: str) -> None:
    """The links of one side are followed on the other."""
    target: str | None = f"{LIST}?{query}"
    forwards, backwards = [], []
    while target is not None:
        monolith, service = sides.ask(Case(200, "GET", target))
        assert monolith == service
        page = json.loads(service.body)
        forwards.append([product["id"] for product in page["results"]])
        target = page["next"]
    target = page["previous"]
    while target is not None:
        monolith, service = sides.ask(Case(200, "GET", target))
        assert monolith == service
        page = json.loads(service.body)
        backwards.append([product["id"] for product in page["results"]])
        target = page["previous"]
    assert backwards == forwards[-2::-1]
    assert sum(map(len, forwards)) == page["count"]


def test_requests_after_one_another_on_a_connection(sides: Sides) -> None:
    """Answers without a body, and bodies that were not wanted, don't spoil what comes after."""
    asked = [
        Case(200, "HEAD", LIST),
        Case(304, "GET", f"{LIST}/1", ("If-None-Match: *",)),
        Case(405, "POST", LIST, ("Transfer-Encoding: chunked",), b"5\r\nhello\r\n0\r\n\r\n"),
        Case(304, "HEAD", f"{LIST}/1", ("If-None-Match: {one}",)),
        Case(404, "PUT", f"{LIST}/0", (), b"x" * 1000),
        Case(200, "GET", f"{LIST}/1", (), b"GET / HTTP/1.1"),
    ]
    messages = [case.message(sides.texts, "keep-alive") for case in asked]
    messages.append(Case(400, "GET", f"{LIST}?page=x").message(sides.texts))
    both = [answers(converse(port, b"".join(messages))) for port in (sides.monolith, sides.service)]
    assert both[0] == both[1]
    assert [answer.status for answer in both[1]] == [200, 304, 405, 304, 404, 200, 400]
