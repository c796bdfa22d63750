"""The saga of an order against the real services, when everything works and when something does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

pytest.importorskip("orders_service", reason="the orders service is not in this checkout")

from orders_service.database import open_engine
from orders_service.read_model import rebuild
from orders_service.shipping import NotShippable, ship

from tests.extracted.invariants import unfinished, violations
from tests.extracted.shop import PRODUCTS, STOCK, Shop, items, wait_until

BEFORE = dict.fromkeys(PRODUCTS, STOCK)
PAST = "2026-01-01 00:00:00.000000"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    quick = {"BREAKER_PAUSE_SECONDS": "0.1", "CALL_ATTEMPTS": "2"}
    with Shop(tmp_path_factory.mktemp("shop"), "thread", quick) as shop:
        yield shop


@pytest.fixture
def shop(running: Shop) -> Iterator[Shop]:
    """After each test the shop comes to rest, with nothing lost."""
    running.provider(mode="up")
    yield running
    wait_until(lambda: unfinished(running) == 0, "all sagas have ended, or wait for their customer")
    assert violations(running, BEFORE) == []


@pytest.fixture
def alice(shop: Shop) -> httpx.Client:
    return shop.client("alice")


def place(client: httpx.Client, *lines: tuple[int, int]) -> int:
    response = client.post("/api/orders", content=items(*lines))
    assert response.status_code == 201, response.text
    return int(response.json()["id"])


def saga(client: httpx.Client, order: int) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/sagas/{order}").json()
    return found


def becomes(client: httpx.Client, order: int, state: str) -> dict[str, Any]:
    wait_until(lambda: saga(client, order)["state"] == state, f"the saga of order {order} is {state}")
    return saga(client, order)


def happened(saga: dict[str, Any]) -> list[str]:
    return [event["type"] for event in saga["events"]]


def test_an_order_goes_from_its_placing_to_shipped(shop: Shop, alice: httpx.Client) -> None:
    order = place(alice, (1, 2), (2, 1))
    assert saga(alice, order)["state"] == "awaiting_payment"
    paid = alice.post(f"/api/orders/{order}/pay")
    assert (paid.status_code, paid.json()["status"]) == (200, "paid")
    engine = open_engine(shop.variables["DATABASE_URL"])
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        ship(connection, order)
        with pytest.raises(NotShippable):
            ship(connection, order)
    engine.dispose()
    assert happened(becomes(alice, order, "completed")) == [
        "OrderPlaced",
        "StockReserved",
        "PaymentRequested",
        "PaymentCharged",
        "OrderConfirmed",
        "OrderShipped",
    ]


def test_a_declined_payment_gives_the_stock_back(alice: httpx.Client) -> None:
    order = place(alice, (1, 2))
    declined = alice.post(f"/api/orders/{order}/pay", json={"method": "card-declined"})
    assert (declined.status_code, declined.json()["error"]["code"]) == (402, "payment_declined")
    assert becomes(alice, order, "cancelled")["reason"] == "payment_declined"
    assert alice.get(f"/api/orders/{order}").json()["status"] == "cancelled"
    assert alice.post(f"/api/orders/{order}/pay").status_code == 409


def test_of_two_payments_at_once_one_is_made(shop: Shop, alice: httpx.Client) -> None:
    order = place(alice, (1, 1))
    first = alice.post(f"/api/orders/{order}/pay", json={"method": "card-lost"})
    second = alice.post(f"/api/orders/{order}/pay")
    assert (first.status_code, second.status_code) == (200, 409)


def test_while_the_provider_is_down_a_payment_waits_and_is_made_later(shop: Shop, alice: httpx.Client) -> None:
    order = place(alice, (1, 1))
    shop.provider(mode="down")
    waiting = alice.post(f"/api/orders/{order}/pay")
    assert (waiting.status_code, waiting.json()["status"]) == (202, "pending")
    assert saga(alice, order)["last_error"] is not None
    shop.provider(mode="up")
    becomes(alice, order, "completed")
    assert alice.get(f"/api/orders/{order}").json()["status"] == "paid"


def test_a_payment_that_takes_too_long_is_given_back_with_the_stock(shop: Shop, alice: httpx.Client) -> None:
    order = place(alice, (1, 1))
    shop.provider(mode="down")
    assert alice.post(f"/api/orders/{order}/pay").status_code == 202
    shop.write("orders", "UPDATE sagas SET deadline = ? WHERE state = 'charging'", (PAST,))
    becomes(alice, order, "refunding")
    shop.provider(mode="up")
    assert happened(becomes(alice, order, "cancelled"))[-3:] == [
        "CancellationBegan",
        "PaymentRefunded",
        "OrderCancelled",
    ]


def test_an_order_that_is_not_paid_in_time_is_cancelled(shop: Shop, alice: httpx.Client) -> None:
    order = place(alice, (3, 1))
    shop.write(
        "orders",
        "UPDATE sagas SET deadline = ?, next_attempt_at = ? WHERE state = 'awaiting_payment'",
        (PAST, PAST),
    )
    becomes(alice, order, "cancelled")
    assert alice.post(f"/api/orders/{order}/pay").status_code == 409


def test_without_inventory_no_order_is_taken_and_none_stays_half_done(shop: Shop, alice: httpx.Client) -> None:
    with shop.away("inventory"):
        refused = alice.post("/api/orders", content=items((1, 1)))
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        assert shop.rows("orders", "SELECT COUNT(*) FROM sagas WHERE state = 'releasing'") == [(1,)]


def test_while_inventory_is_away_a_paid_order_waits_to_be_confirmed(shop: Shop, alice: httpx.Client) -> None:
    order = place(alice, (1, 1))
    with shop.away("inventory"):
        assert alice.post(f"/api/orders/{order}/pay").json()["status"] == "paid"
        assert saga(alice, order)["state"] == "confirming"
    becomes(alice, order, "completed")


def test_stock_that_is_gone_when_the_order_is_paid_gives_the_money_back(shop: Shop, alice: httpx.Client) -> None:
    """It can't happen unless an operator releases the reservation by hand."""
    order = place(alice, (1, 1))
    key = saga(alice, order)["id"]
    with shop.away("payments"):
        assert alice.post(f"/api/orders/{order}/pay").status_code == 202
        # As the inventory's own release does.
        shop.write("inventory", "UPDATE reservations SET status = 'released' WHERE key = ?", (key,))
        shop.write(
            "inventory", "UPDATE stock SET available = available + 1, reserved = reserved - 1 WHERE product_id = 1"
        )
    assert "PaymentRefunded" in happened(becomes(alice, order, "cancelled"))


def test_without_the_catalog_known_prices_are_used_and_marked(shop: Shop, alice: httpx.Client) -> None:
    place(alice, (4, 1))
    with shop.away("catalog"):
        order = place(alice, (4, 2))
        assert alice.post("/api/orders", content=items((4, 1), (5, 1))).status_code == 503
    assert alice.get(f"/api/orders/{order}").json()["total"] == "20.08"
    ((data,),) = shop.rows(
        "orders", "SELECT data FROM events WHERE type = 'OrderPlaced' ORDER BY position DESC LIMIT 1"
    )
    assert '"prices_from":"memory"' in data


def test_others_see_nothing_of_an_order(shop: Shop, alice: httpx.Client) -> None:
    order, bob = place(alice, (1, 1)), shop.client("bob")
    for path in (f"/api/orders/{order}", f"/sagas/{order}", f"/sagas/{saga(alice, order)['id']}"):
        assert alice.get(path).status_code == 200
        assert bob.get(path).status_code == 404


def test_the_read_model_can_be_made_anew_while_the_service_runs(shop: Shop, alice: httpx.Client) -> None:
    place(alice, (1, 1))
    before = alice.get("/api/orders?page_size=100").json()
    shop.write("orders", "UPDATE orders SET status = 'paid', total_cents = 1")
    engine = open_engine(shop.variables["DATABASE_URL"])
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        assert rebuild(connection) == len(shop.rows("orders", "SELECT 1 FROM events WHERE type = 'StockReserved'"))
        # Readers still see the old one.
        assert alice.get("/api/orders?page_size=100").json() != before
    engine.dispose()
    assert alice.get("/api/orders?page_size=100").json() == before


def test_other_services_verify_its_tokens_with_the_key_set_that_it_serves(shop: Shop, alice: httpx.Client) -> None:
    assert alice.get("/.well-known/jwks.json").content == (shop.folder / "orders-jwks.json").read_bytes().replace(
        b", ", b","
    ).replace(b": ", b":")


def test_stock_that_is_lost_and_money_that_is_taken_twice_would_be_noticed(shop: Shop, alice: httpx.Client) -> None:
    order = place(alice, (1, 1))
    alice.post(f"/api/orders/{order}/pay")
    becomes(alice, order, "completed")
    shop.write("inventory", "UPDATE stock SET available = available - 1 WHERE product_id = 1")
    content = {"amount": 1001, "currency": "EUR", "source": "card", "reference": saga(alice, order)["id"]}
    headers = {"Authorization": "Bearer key", "Idempotency-Key": "another"}
    charge = httpx.post(f"{shop.urls['provider']}/v1/charges", json=content, headers=headers).json()
    assert [problem.partition(":")[0] for problem in violations(shop, BEFORE)] == [
        "product 1",
        f"order {content['reference']}, completed",
    ]
    shop.write("inventory", "UPDATE stock SET available = available + 1 WHERE product_id = 1")
    httpx.post(f"{shop.urls['provider']}/v1/refunds", json={"charge": charge["id"]}, headers=headers)
