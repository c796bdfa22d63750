"""The orders service responds as the monolith does, to the byte, with inventory and payments behind it.

Both get the same requests one after another, so that both give the same numbers. When an order was placed or paid is
each side's own; that the time has the same form is compared.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import pytest

pytest.importorskip("orders_service", reason="the orders service is not in this checkout")

from orders_service.app import build_app
from orders_service.bug import BUGS
from orders_service.settings import read_settings

from tests.extracted.shop import MONOLITH, ONE_REQUEST_EACH, Servers, Shop, wait_until

pytestmark = pytest.mark.skipif(not (MONOLITH / "manage.py").is_file(), reason="the monolith is not in this checkout")

ORDERS = "/api/orders"
PRODUCTS = range(1, 13)

# Each server's own affair (RFC 9110, sections 6.6.1, 7.6.1 and 10.2.4).
OF_THE_SERVER = frozenset({"date", "server", "connection"})
NOW = re.compile(rb'"(created_at|paid_at)":"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"')


class Seen(NamedTuple):
    """What is compared of a response."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @classmethod
    def of(cls, response: httpx.Response) -> Seen:
        headers = sorted((name, value) for name, value in response.headers.items() if name not in OF_THE_SERVER)
        return cls(response.status_code, headers, NOW.sub(rb'"\1":"now"', response.content))


class Sides:
    """Clients of both sides; the service's with a bug have its database, and are only read from."""

    def __init__(self, shop: Shop, wrong: dict[str, str]) -> None:
        urls = {"monolith": shop.urls["monolith"], "orders": shop.urls["orders"], **wrong}
        self.shop = shop
        self.tokens = shop.tokens
        self.clients = {
            name: httpx.Client(base_url=url, timeout=30, limits=ONE_REQUEST_EACH) for name, url in urls.items()
        }

    def send(self, name: str, method: str, target: str, body: Any = None, user: str = "alice", **headers: str) -> Seen:
        content = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        sent = {"Content-Type": "application/json"} if body is not None else {}
        if user:
            sent["Authorization"] = f"Bearer {self.tokens[user]}"
        return Seen.of(self.clients[name].request(method, target, content=content, headers=sent | headers))

    def both(
        self, status: int, method: str, target: str, body: Any = None, user: str = "alice", **headers: str
    ) -> Seen:
        """The response that both give; of a wrong one it is known which it should be."""
        monolith = self.send("monolith", method, target, body, user, **headers)
        service = self.send("orders", method, target, body, user, **headers)
        assert service == monolith
        assert service.status == status
        return service


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sides]:
    with Shop(tmp_path_factory.mktemp("shop"), "thread", monolith=True) as shop:
        servers = Servers()
        wrong = {bug: servers.serve(build_app(read_settings(shop.variables | {"ORDERS_BUG": bug}))) for bug in BUGS}
        for url in wrong.values():
            wait_until(lambda url=url: httpx.get(f"{url}/readyz").status_code == 200, "ready")  # type: ignore[misc]
        found = Sides(shop, wrong)
        yield found
        for client in found.clients.values():
            client.close()
        servers.close()


def item(product_id: object, quantity: object) -> dict[str, object]:
    return {"product_id": product_id, "quantity": quantity}


BAD_ITEMS: tuple[Any, ...] = (
    None, [], {}, "x", [None], [[]], [{}], [{"product_id": 1}], [item(1, 0)], [item(1, 100)], [item(1, 1.0)],
    [item(1, True)], [item(True, 1)], [item("1", 1)], [item(10**18, 1)], [item(1, 1), item(1, 2)],
    [item(number, 1) for number in range(1, 52)], [item(999, 1)], [item(0, 1)], [item(-1, 1)], [item(10**18 - 1, 1)],
    [item(1, 1), item(998, 1), item(999, 1)], [item(999, 1), item(1, 99)],
)  # fmt: skip

LISTS = (
    "", "?status=pending", "?status=paid", "?status=cancelled", "?status=", "?page=2", "?page_size=1",
    "?page=2&page_size=3", "?page_size=100", "?page=999999", "?status=paid&page_size=2&page=1&x=1",
    "?page=1&page=2&page_size=2",
)  # fmt: skip
BAD_LISTS = ("?status=x", "?page=0", "?page=01", "?page=1000000", "?page_size=101", "?status=Paid&page=x&page_size=y")


def test_orders_that_came_from_the_monolith(sides: Sides) -> None:
    for user in ("alice", "bob"):
        for query in LISTS:
            sides.both(200, "GET", ORDERS + query, user=user)
        for query in BAD_LISTS:
            sides.both(400, "GET", ORDERS + query, user=user)
    numbers = range(1, 101, 3)
    statuses = [sides.send("orders", "GET", f"{ORDERS}/{number}").status for number in numbers]
    assert statuses == [sides.send("monolith", "GET", f"{ORDERS}/{number}").status for number in numbers]
    assert set(statuses) == {200, 404}


def test_what_is_refused(sides: Sides) -> None:
    for items in BAD_ITEMS:
        sides.both(400, "POST", ORDERS, {"items": items})
    for body in (b"", b"[]", b"{", b"null", b"\xff"):
        sides.both(400, "POST", ORDERS, body)
    sides.both(413, "POST", ORDERS, b" " * 65537)
    sides.both(415, "POST", ORDERS, b"{}", **{"Content-Type": "text/plain"})
    for target in (ORDERS, f"{ORDERS}/1", f"{ORDERS}?page=x"):
        sides.both(401, "GET", target, user="")
        sides.both(401, "GET", target, user="", Authorization="Bearer x")
    sides.both(401, "POST", ORDERS, b"x", user="")
    sides.both(401, "POST", f"{ORDERS}/1/pay", user="")
    for target in (
        f"{ORDERS}/",
        f"{ORDERS}/0",
        f"{ORDERS}/x",
        f"{ORDERS}/{10**18}",
        f"{ORDERS}/1/",
        f"{ORDERS}/1/pay/",
    ):
        sides.both(404, "GET", target)
    sides.both(404, "GET", f"{ORDERS}/{10**18 - 1}")
    sides.both(404, "POST", f"{ORDERS}/{10**18 - 1}/pay")
    for method, target in (
        ("PUT", ORDERS),
        ("DELETE", f"{ORDERS}/1"),
        ("POST", f"{ORDERS}/1"),
        ("GET", f"{ORDERS}/1/pay"),
    ):
        sides.both(405, method, target)


def test_hundreds_of_orders_placed_paid_and_listed(sides: Sides) -> None:
    """And each of the services that are wrong on purpose is found out by the same comparison."""
    chance = random.Random(16)
    caught = dict.fromkeys(BUGS, 0)
    placed: list[tuple[str, int]] = []
    for _ in range(30):
        user = chance.choice(("alice", "bob"))
        items = [item(product, chance.randint(1, 9)) for product in chance.sample(PRODUCTS, chance.randint(1, 4))]
        monolith = sides.send("monolith", "POST", ORDERS, {"items": items}, user)
        assert sides.send("orders", "POST", ORDERS, {"items": items}, user) == monolith
        if monolith.status == 201:
            placed.append((user, json.loads(monolith.body)["id"]))
        else:
            assert monolith.status == 409
    assert 8 < len(placed) < 28
    for number, (user, order) in enumerate(placed):
        target = f"{ORDERS}/{order}"
        sides.both(404, "POST", f"{target}/pay", user="bob" if user == "alice" else "alice")
        if number % 2:
            sides.both(200, "POST", f"{target}/pay", b"ignored" if number % 4 == 1 else None, user)
            sides.both(409, "POST", f"{target}/pay", None, user)
        shown = sides.both(200, "GET", target, user=user)
        sides.both(200, "HEAD", target, user=user)
        for bug in BUGS:
            caught[bug] += sides.send(bug, "GET", target, user=user) != shown
    for user in ("alice", "bob"):
        for query in LISTS:
            listed = sides.both(200, "GET", ORDERS + query, user=user)
            for bug in BUGS:
                caught[bug] += sides.send(bug, "GET", ORDERS + query, user=user) != listed
    assert all(caught.values()), caught


def test_an_order_that_was_pending_in_the_monolith_can_be_paid_here(sides: Sides) -> None:
    found = json.loads(sides.both(200, "GET", f"{ORDERS}?status=pending&page_size=100").body)["results"]
    pending = next(order["id"] for order in reversed(found) if order["id"] <= 100)
    sides.both(200, "POST", f"{ORDERS}/{pending}/pay")
    saga = sides.clients["orders"].get(
        f"/sagas/{pending}", headers={"Authorization": f"Bearer {sides.tokens['alice']}"}
    )
    assert saga.json()["state"] == "completed"


def test_a_user_who_is_one_no_more_is_refused(sides: Sides) -> None:
    sides.shop.write("shop", "UPDATE accounts_user SET is_active = 0 WHERE username = 'bob'")
    for method, path in (("GET", ""), ("POST", ""), ("GET", "/1"), ("POST", "/1/pay")):
        sides.both(401, method, ORDERS + path, b"{}" if method == "POST" else None, user="bob")
