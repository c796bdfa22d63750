"""What happens to orders reaches the read side through NATS JetStream, whatever is killed on the way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import httpx
import pytest

pytest.importorskip("order_history_service", reason="the order history service is not in this checkout")

import order_history_service.database as history_database
from faststream.nats import NatsBroker
from order_history_service.app import build_app
from order_history_service.dead_letters import find_dead_letters
from order_history_service.migrate import migrate
from order_history_service.settings import read_settings

from tests.extracted.nats_server import NatsServer
from tests.extracted.shop import Shop, items, wait_until


class ReadSide:
    """The order history service, that may go and come back."""

    def __init__(self, shop: Shop, broker: NatsServer) -> None:
        self.shop = shop
        self.broker = broker
        variables = {
            "JWKS": shop.variables["JWKS"],
            "BROKER_URL": broker.url,
            "DATABASE_URL": f"sqlite:///{shop.folder}/history.sqlite3",
            "WAIT_SECONDS": "30",
        }
        self.settings = read_settings(variables)
        engine = history_database.open_engine(variables["DATABASE_URL"])
        migrate(engine)
        engine.dispose()
        self.url = self.shop.servers.serve(build_app(self.settings))

    def stop(self) -> None:
        self.shop.servers.stop(self.url)

    def start(self) -> None:
        self.url = self.shop.servers.serve(build_app(self.settings), int(self.url.rpartition(":")[2]))

    def get(self, path: str, user: str = "alice") -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.shop.tokens[user]}"}
        return httpx.get(f"{self.url}{path}", headers=headers, timeout=60)

    def is_level(self) -> bool:
        """Whether there is an entry for each event of the orders service."""
        events = "SELECT stream, version, type FROM events ORDER BY stream, version"
        entries = "SELECT order_id, version, type FROM entries ORDER BY order_id, version"
        return self.shop.rows("orders", events) == self.shop.rows("history", entries)


@pytest.fixture(scope="module")
def side(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReadSide]:
    folder = tmp_path_factory.mktemp("broker")
    with NatsServer(folder) as broker:
        variables = {"BROKER_URL": broker.url, "RELAY_PAUSE_SECONDS": "0.02"}
        with Shop(tmp_path_factory.mktemp("shop"), "thread", variables) as shop:
            yield ReadSide(shop, broker)


def place(client: httpx.Client) -> int:
    return int(client.post("/api/orders", content=items((1, 1))).json()["id"])


def test_a_caller_reads_what_it_has_just_done(side: ReadSide) -> None:
    client = side.shop.client()
    order = place(client)
    client.post(f"/api/orders/{order}/pay")
    version = client.get(f"/sagas/{order}").json()["events"][-1]["version"]
    history = side.get(f"/api/order-history/{order}?version={version}").json()
    assert (history["order"], history["status"], history["version"]) == (order, "paid", version)
    assert [event["type"] for event in history["events"]][-2:] == ["PaymentCharged", "OrderConfirmed"]
    assert side.get(f"/api/order-history/{order}", "bob").status_code == 404
    assert httpx.get(f"{side.url}/api/order-history/{order}").status_code == 401
    assert "order_history_lag_seconds" in httpx.get(f"{side.url}/metrics").text


def test_none_is_lost_and_none_twice_while_broker_and_consumer_are_killed(side: ReadSide) -> None:
    client = side.shop.client()
    for number in range(24):
        order = place(client)
        if number % 8 == 2:
            side.broker.kill()
        if number % 8 == 5:
            side.broker.start()
        if number % 12 == 4:
            side.stop()
        if number % 12 == 7:
            side.start()
        assert client.post(f"/api/orders/{order}/pay").status_code == 200
    wait_until(side.is_level, "the read side has all")
    assert side.shop.rows("orders", "SELECT COUNT(*) FROM outbox") == [(0,)]


def test_a_message_that_comes_again_changes_nothing_and_a_malformed_one_is_kept(side: ReadSide) -> None:
    place(side.shop.client())
    wait_until(side.is_level, "the read side has all")
    ((order_id,),) = side.shop.rows("history", "SELECT order_id FROM entries WHERE version = 1 LIMIT 1")
    repeated = {
        "type": "OrderShipped", "order_id": order_id, "version": 1, "number": None, "user_id": 2, "status": "paid",
        "total_cents": 1, "occurred_at": "2026-01-05T08:00:00+00:00",
    }  # fmt: skip
    asyncio.run(publish(side.broker.url, json.dumps(repeated).encode(), b"{"))
    engine = history_database.open_engine(side.settings.database_url)

    def dead() -> list[str]:
        with engine.connect() as connection:
            return [letter.body for letter in find_dead_letters(connection)]

    wait_until(lambda: dead() == ["{"], "the malformed message is a dead letter")
    engine.dispose()
    assert side.is_level()


async def publish(url: str, *bodies: bytes) -> None:
    async with NatsBroker(url, logger=None) as broker:
        for body in bodies:
            await broker.publish(body, "shop.orders", stream="SHOP")
