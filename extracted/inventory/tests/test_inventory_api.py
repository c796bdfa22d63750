"""The routes, as openapi.yaml has them."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from .conftest import Issuer

pytestmark = pytest.mark.anyio

Bearer = Callable[..., dict[str, str]]


class Shop:
    """The client with a token, and short names for what is sent."""

    def __init__(self, client: httpx.AsyncClient, headers: dict[str, str]) -> None:
        self.client = client
        self.headers = headers

    async def reserve(self, key: str, *lines: tuple[int, int]) -> httpx.Response:
        items = [{"product_id": product, "quantity": quantity} for product, quantity in lines]
        return await self.client.put(f"/reservations/{key}", json={"items": items}, headers=self.headers)

    async def commit(self, key: str) -> httpx.Response:
        return await self.client.post(f"/reservations/{key}/commit", headers=self.headers)

    async def release(self, key: str) -> httpx.Response:
        return await self.client.post(f"/reservations/{key}/release", headers=self.headers)

    async def stock(self, product: int) -> tuple[int, int]:
        values = (await self.client.get(f"/stock/{product}", headers=self.headers)).json()
        return values["available"], values["reserved"]


@pytest.fixture
def shop(client: httpx.AsyncClient, bearer: Bearer) -> Shop:
    return Shop(client, bearer())


async def test_a_reservation_holds_its_stock_until_it_is_committed(shop: Shop) -> None:
    made = await shop.reserve("a", (2, 2), (1, 5))
    assert made.status_code == 201
    assert made.json()["items"] == [{"product_id": 2, "quantity": 2}, {"product_id": 1, "quantity": 5}]
    assert (await shop.stock(1), await shop.stock(2)) == ((12, 5), (1, 2))
    assert (await shop.commit("a")).json()["status"] == "committed"
    assert (await shop.stock(1), await shop.stock(2)) == ((12, 0), (1, 0))


async def test_a_release_gives_the_stock_back(shop: Shop) -> None:
    await shop.reserve("a", (1, 5))
    assert (await shop.release("a")).json()["status"] == "released"
    assert await shop.stock(1) == (17, 0)


async def test_every_step_repeated_changes_nothing(shop: Shop) -> None:
    first = await shop.reserve("a", (1, 5))
    again = await shop.reserve("a", (1, 5))
    assert (again.status_code, again.json()) == (200, first.json())
    await shop.commit("a")
    assert (await shop.reserve("a", (1, 5))).json()["status"] == "committed"
    assert (await shop.commit("a")).status_code == 200
    await shop.reserve("b", (1, 1))
    await shop.release("b")
    assert (await shop.release("b")).status_code == 200
    assert await shop.stock(1) == (12, 0)


async def test_a_reserve_that_arrives_after_its_release_takes_nothing(shop: Shop) -> None:
    assert (await shop.release("late")).json() | {"created_at": "", "changed_at": ""} == {
        "key": "late", "status": "released", "items": [], "created_at": "", "changed_at": "",
    }  # fmt: skip
    late = await shop.reserve("late", (1, 1))
    assert (late.status_code, late.json()["error"]["code"]) == (409, "released")
    assert await shop.stock(1) == (17, 0)


async def test_too_little_stock_is_refused_whole_and_can_be_tried_again(shop: Shop) -> None:
    refused = await shop.reserve("a", (3, 1), (1, 1), (2, 4))
    assert refused.status_code == 409
    assert refused.json()["error"] == {
        "code": "out_of_stock",
        "message": "Not enough stock.",
        "fields": {"3": "only 0 left", "2": "only 3 left"},
    }
    assert (await shop.stock(1), await shop.stock(2)) == ((17, 0), (3, 0))
    assert (await shop.reserve("a", (1, 1))).status_code == 201


async def test_a_key_is_of_one_reservation(shop: Shop) -> None:
    await shop.reserve("a", (1, 1), (2, 1))
    for lines in (((1, 2), (2, 1)), ((1, 1),), ((2, 1), (1, 1))):
        other = await shop.reserve("a", *lines)
        assert (other.status_code, other.json()["error"]["code"]) == (409, "key_reused")


async def test_final_states_are_final(shop: Shop) -> None:
    await shop.reserve("a", (1, 1))
    await shop.commit("a")
    assert (await shop.release("a")).json()["error"]["code"] == "committed"
    await shop.reserve("b", (1, 1))
    await shop.release("b")
    assert (await shop.commit("b")).json()["error"]["code"] == "released"
    assert (await shop.commit("unknown")).status_code == 404


async def test_at_the_same_time_no_more_is_reserved_than_there_is(shop: Shop) -> None:
    """Twenty reservations, each sent twice, of a product of which seventeen are there."""
    made = await asyncio.gather(*(shop.reserve(f"key-{number % 20}", (1, 1)) for number in range(40)))
    assert sorted(response.status_code for response in made) == [200] * 17 + [201] * 17 + [409] * 6
    assert await shop.stock(1) == (0, 17)


async def test_what_is_not_there_is_404(shop: Shop) -> None:
    for path in ("/stock/4", "/stock/0", "/stock/01", "/reservations/x", "/reservations/", f"/reservations/{'x' * 65}"):
        assert (await shop.client.get(path, headers=shop.headers)).status_code == 404
    assert (await shop.client.delete("/reservations/x", headers=shop.headers)).headers["allow"] == "GET, HEAD, PUT"


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "payments"},
        {"iss": None},
        {"iss": 7},
        {"aud": "payments"},
        {"aud": None},
        {"exp": None},
        {"iat": None},
        {"kid": "other"},
    ],
    ids=str,
)
async def test_other_tokens_are_refused(client: httpx.AsyncClient, bearer: Bearer, changes: dict[str, Any]) -> None:
    response = await client.get("/stock/1", headers=bearer(**changes))
    assert (response.status_code, response.json()["error"]["code"]) == (401, "invalid_token")


@pytest.mark.parametrize(("claim", "seconds"), [("exp", -1), ("exp", 3600), ("iat", 3600)])
async def test_tokens_of_another_time_are_refused(
    client: httpx.AsyncClient, bearer: Bearer, claim: str, seconds: int
) -> None:
    response = await client.get("/stock/1", headers=bearer(**{claim: int(time.time()) + seconds}))
    assert (response.status_code, response.json()["error"]["code"]) == (401, "invalid_token")


async def test_a_token_that_another_key_signed_is_refused(client: httpx.AsyncClient) -> None:
    headers = {"Authorization": f"Bearer {Issuer().token()}"}
    assert (await client.get("/stock/1", headers=headers)).status_code == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/stock/1"),
        ("GET", "/reservations/a"),
        ("PUT", "/reservations/a"),
        ("POST", "/reservations/a/commit"),
        ("POST", "/reservations/a/release"),
    ],
)
async def test_without_a_token_nothing_is_done(client: httpx.AsyncClient, method: str, path: str) -> None:
    for headers in ({}, {"Authorization": "Basic eA=="}):
        response = await client.request(method, path, headers=headers)
        assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
