"""The service decides about stock as the monolith does: both run as processes, and get the same orders.

The monolith takes stock in `POST /api/orders`, a route that the orders service takes over. What that route refuses for
its items or for lack of stock, this service refuses with the same bytes; what it accepts leaves the same stock.
"""

from __future__ import annotations

import json
import random
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from inventory_service.bug import BUGS

from .both_sides import JSON, both_sides, wrong_service
from .sides import MONOLITH, Answer, Case, Sides, converse, monolith_environment, run

pytestmark = pytest.mark.skipif(not (MONOLITH / "manage.py").is_file(), reason="the monolith is not in this checkout")

USER = "Authorization: Bearer {user}"
PRODUCTS = range(1, 13)
SERVICE = "Authorization: Bearer {service}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sides")


@pytest.fixture(scope="module")
def sides(folder: Path) -> Iterator[Sides]:
    with both_sides(folder) as found:
        yield found


def item(product_id: object, quantity: object) -> dict[str, object]:
    return {"product_id": product_id, "quantity": quantity}


BAD_ITEMS: tuple[object, ...] = (
    None, [], {}, "x", 1, [None], [[]], [{}], [{"product_id": 1}], [{"quantity": 1}], [item(1, 0)],
    [item(1, 100)], [item(1, -1)], [item(1, 1.0)], [item(1, True)], [item(True, 1)], [item("1", 1)],
    [item(1, "1")], [item(1, None)], [item(1.5, 1)], [item(10**18, 1)], [item(-(10**18), 1)],
    [item(1, 1), item(1, 2)], [item(1, 1), None], [item(number, 1) for number in range(1, 52)],
    [item(999, 1)], [item(0, 1)], [item(-1, 1)], [item(10**18 - 1, 1)],
    [item(1, 1), item(998, 1), item(999, 1)],
)  # fmt: skip
REFUSED: list[dict[str, object]] = [{}, *({"items": items} for items in BAD_ITEMS)]

BODIES = [
    *(("415", ("Content-Type: text/plain",), b"{}"), ("415", (), b"{}")),
    ("413", (JSON,), b" " * 65537),
    *(("400", (JSON,), body) for body in (b"", b"[]", b"{", b"\xff", b'{"items":NaN}', b"null")),
]


@pytest.mark.parametrize("content", REFUSED, ids=lambda content: json.dumps(content)[:60])
def test_items_that_are_refused(sides: Sides, content: object) -> None:
    monolith, service = place(sides, "refused", json.dumps(content).encode())
    assert monolith == service
    assert service.status == 400


@pytest.mark.parametrize(("status", "headers", "body"), BODIES)
def test_bodies_that_are_refused(sides: Sides, status: str, headers: tuple[str, ...], body: bytes) -> None:
    monolith, service = place(sides, "refused", body, headers)
    assert monolith == service
    assert service.status == int(status)


def orders() -> list[tuple[str, bytes]]:
    chance = random.Random(16)
    made = []
    for number in range(120):
        items = [item(product, chance.randint(1, 12)) for product in chance.sample(PRODUCTS, chance.randint(1, 4))]
        made.append((f"order-{number}", json.dumps({"items": items}).encode()))
    return made


def test_hundreds_of_orders_have_the_same_effect(sides: Sides, folder: Path) -> None:
    """And each of the services that are wrong on purpose is found out by the same comparison."""
    with ExitStack() as running:
        wrong = {bug: running.enter_context(wrong_service(folder, bug)) for bug in BUGS}
        caught, token = dict.fromkeys(BUGS, 0), sides.texts["service"]
        accepted = []
        for key, body in orders():
            monolith, service = place(sides, key, body)
            assert agree(monolith, service)
            for bug, send in wrong.items():
                caught[bug] += not agree(monolith, send("PUT", f"/reservations/{key}", token, body))
            if monolith.status == 201:
                accepted.append((key, json.loads(monolith.body)["id"]))
        assert 30 < len(accepted) < 90
        cancelled, paid = accepted[::2], accepted[1::2]
        cancel(folder, [order_id for _, order_id in cancelled])
        for key, order_id in paid:
            assert post(sides.monolith, f"/api/orders/{order_id}/pay", sides, USER).status == 200
            assert post(sides.service, f"/reservations/{key}/commit", sides, SERVICE).status == 200
        for key, _ in cancelled:
            assert post(sides.service, f"/reservations/{key}/release", sides, SERVICE).status == 200
            for send in wrong.values():
                send("POST", f"/reservations/{key}/release", token)
        for product_id, expected in monolith_stock(folder).items():
            target = f"/stock/{product_id}"
            shown = Answer.read(converse(sides.service, Case(200, "GET", target, (SERVICE,)).message(sides.texts)))
            assert json.loads(shown.body)["available"] == expected
            for bug, send in wrong.items():
                caught[bug] += json.loads(send("GET", target, token).body)["available"] != expected
        assert all(caught.values()), caught


def place(sides: Sides, key: str, body: bytes, headers: tuple[str, ...] = (JSON,)) -> tuple[Answer, Answer]:
    ordered = Case(0, "POST", "/api/orders", (USER, *headers), body).message(sides.texts)
    return Answer.read(converse(sides.monolith, ordered)), reserve(sides, key, body, headers)


def reserve(sides: Sides, key: str, body: bytes, headers: tuple[str, ...] = (JSON,)) -> Answer:
    reserved = Case(0, "PUT", f"/reservations/{key}", (SERVICE, *headers), body).message(sides.texts)
    return Answer.read(converse(sides.service, reserved))


def agree(monolith: Answer, service: Answer) -> bool:
    """Whether the service decided as the monolith did. What it shows of a reservation is its own."""
    return service.status == 201 if monolith.status == 201 else service == monolith


def post(port: int, target: str, sides: Sides, authorization: str) -> Answer:
    return Answer.read(converse(port, Case(0, "POST", target, (authorization,)).message(sides.texts)))


def cancel(folder: Path, order_ids: list[int]) -> None:
    """As staff do in the admin."""
    code = (
        "from orders.models import Order; from orders.placing import cancel_order; "
        f"[cancel_order(order) for order in Order.objects.filter(pk__in={order_ids})]"
    )
    run([sys.executable, "manage.py", "shell", "-c", code], MONOLITH, monolith_environment(folder / "shop.sqlite3", {}))


def monolith_stock(folder: Path) -> dict[int, int]:
    with closing(sqlite3.connect(folder / "shop.sqlite3")) as connection:
        return dict(connection.execute("SELECT id, stock FROM catalog_product WHERE id < ?", (PRODUCTS.stop,)))
