"""Charges and refunds against a provider that fails in every way: each is taken once, or not at all."""

import asyncio
import dataclasses
import time
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from payments_service.settings import Settings, read_settings

from .conftest import ProviderProcess, serving_here

pytestmark = pytest.mark.anyio

Bearer = Callable[..., dict[str, str]]


class Shop:
    """The client with a token, and a key of its own for each test."""

    def __init__(self, client: httpx.AsyncClient, headers: dict[str, str]) -> None:
        self.client = client
        self.headers = headers
        self.key = f"order-{uuid.uuid4().hex}"

    async def charge(self, method: str = "card", **changes: Any) -> httpx.Response:
        content = {"amount_cents": 2500, "currency": "EUR", "method": method} | changes
        return await self.client.put(f"/charges/{self.key}", json=content, headers=self.headers)

    async def refund(self) -> httpx.Response:
        return await self.client.post(f"/charges/{self.key}/refund", headers=self.headers)

    async def status(self) -> str:
        return str((await self.client.get(f"/charges/{self.key}", headers=self.headers)).json()["status"])

    async def becomes(self, status: str) -> None:
        deadline = time.monotonic() + 30
        while await self.status() != status:
            assert time.monotonic() < deadline, await self.status()
            await asyncio.sleep(0.02)


@pytest.fixture
def shop(client: httpx.AsyncClient, bearer: Bearer) -> Shop:
    return Shop(client, bearer())


async def test_a_charge_repeated_is_taken_once(shop: Shop, provider: ProviderProcess) -> None:
    first, again = await shop.charge(), await shop.charge()
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert (first.json()["status"], first.json()["amount_cents"]) == ("charged", 2500)
    assert [charge["requests"] for charge in provider.charges_of(shop.key)] == [1]


async def test_a_declined_charge_stays_declined(shop: Shop) -> None:
    assert (await shop.charge("card-declined")).json()["status"] == "declined"
    assert (await shop.charge("card-declined")).json()["status"] == "declined"
    assert (await shop.refund()).json()["status"] == "declined"


async def test_unavailability_is_retried_within_the_request(shop: Shop) -> None:
    assert (await shop.charge("card-flaky")).json()["status"] == "charged"


@pytest.mark.parametrize("method", ["card-lost", "card-slow"])
async def test_a_response_that_is_lost_is_asked_for_with_the_same_key(
    shop: Shop, provider: ProviderProcess, method: str
) -> None:
    assert (await shop.charge(method)).json()["status"] == "charged"
    assert [charge["requests"] for charge in provider.charges_of(shop.key)] == [2]


async def test_with_a_key_of_its_own_for_each_attempt_the_customer_pays_twice(
    settings: Settings, provider: ProviderProcess, bearer: Bearer
) -> None:
    """A service that is wrong on purpose: the check above sees it."""
    once = dataclasses.replace(settings.provider, attempts=1)
    async with serving_here(dataclasses.replace(settings, bug="new-keys", provider=once)) as client:
        shop = Shop(client, bearer())
        # Each attempt is a first one to the provider, whose response is lost each time.
        assert [(await shop.charge("card-lost")).status_code for _ in range(2)] == [202, 202]
        assert len(provider.charges_of(shop.key)) > 1


async def test_many_at_once_are_one_charge(shop: Shop, provider: ProviderProcess) -> None:
    responses = await asyncio.gather(*(shop.charge() for _ in range(20)))
    assert {response.status_code for response in responses} <= {200, 201, 202}
    await shop.becomes("charged")
    assert [charge["requests"] for charge in provider.charges_of(shop.key)] == [1]


async def test_a_provider_that_is_down_leaves_the_charge_pending_and_it_is_settled_later(
    shop: Shop, provider: ProviderProcess
) -> None:
    provider.control(mode="down")
    response = await shop.charge()
    assert (response.status_code, response.json()["status"]) == (202, "pending")
    provider.control(mode="up")
    await shop.becomes("charged")
    assert len(provider.charges_of(shop.key)) == 1


async def test_the_breaker_spares_a_provider_that_fails_and_lets_one_request_try_later(
    settings: Settings, provider: ProviderProcess, bearer: Bearer
) -> None:
    calm = dataclasses.replace(settings.provider, breaker_failures=3, breaker_pause=0.4, timeout=0.2)
    provider.control(mode="slow")
    async with serving_here(dataclasses.replace(settings, provider=calm, settle_pause=3600)) as client:
        shops = [Shop(client, bearer()) for _ in range(6)]
        assert (await shops[0].charge()).status_code == 202
        began = time.monotonic()
        assert [(await shop.charge()).status_code for shop in shops[1:]] == [202] * 5
        # Fifteen attempts of 0.2 s each would have taken three seconds.
        assert time.monotonic() - began < 3
        provider.control(mode="up")
        await asyncio.sleep(0.4)
        assert (await shops[1].charge()).json()["status"] == "charged"


async def test_a_refund_gives_the_money_back_once(shop: Shop, provider: ProviderProcess) -> None:
    await shop.charge()
    await shop.refund()
    await shop.becomes("refunded")
    assert (await shop.refund()).json()["status"] == "refunded"
    assert [charge["refunded"] for charge in provider.charges_of(shop.key)] == [2500]
    late = await shop.charge()
    assert (late.status_code, late.json()["error"]["code"]) == (409, "refunded")


async def test_a_charge_that_arrives_after_its_refund_takes_nothing(shop: Shop, provider: ProviderProcess) -> None:
    assert (await shop.refund()).json()["status"] == "voided"
    late = await shop.charge()
    assert (late.status_code, late.json()["error"]["code"]) == (409, "voided")
    assert provider.charges_of(shop.key) == []


async def test_a_refund_of_a_charge_whose_outcome_is_unknown_finds_out_first(
    shop: Shop, provider: ProviderProcess
) -> None:
    provider.control(mode="down")
    assert (await shop.charge()).status_code == 202
    assert (await shop.refund()).json()["status"] == "refunding"
    provider.control(mode="up")
    await shop.becomes("refunded")
    assert [charge["refunded"] for charge in provider.charges_of(shop.key)] == [2500]


async def test_of_a_charge_that_the_provider_declines_nothing_is_given_back(
    shop: Shop, provider: ProviderProcess
) -> None:
    provider.control(mode="down")
    await shop.charge("card-declined")
    await shop.refund()
    provider.control(mode="up")
    await shop.becomes("voided")


async def test_after_a_crash_the_next_process_settles(
    variables: dict[str, str], provider: ProviderProcess, bearer: Bearer
) -> None:
    provider.control(mode="down")
    slow = read_settings(variables | {"SETTLE_PAUSE_SECONDS": "3600"})
    async with serving_here(slow) as client:
        shop = Shop(client, bearer())
        await shop.charge()
    provider.control(mode="up")
    async with serving_here(read_settings(variables)) as client:
        shop.client = client
        await shop.becomes("charged")


async def test_values_that_are_refused(shop: Shop) -> None:
    for changes, field in (
        ({"amount_cents": 0}, "amount_cents"),
        ({"amount_cents": True}, "amount_cents"),
        ({"amount_cents": 2.5}, "amount_cents"),
        ({"currency": "USD"}, "currency"),
        ({"method": ""}, "method"),
        ({"method": None}, "method"),
    ):
        response = await shop.charge(**changes)
        assert (response.status_code, list(response.json()["error"]["fields"])) == (400, [field])
    await shop.charge()
    assert (await shop.charge(amount_cents=1)).json()["error"]["code"] == "key_reused"


async def test_without_a_token_nothing_is_done(client: httpx.AsyncClient, bearer: Bearer) -> None:
    for method, path in (("PUT", "/charges/a"), ("GET", "/charges/a"), ("POST", "/charges/a/refund")):
        assert (await client.request(method, path)).status_code == 401
        assert (await client.request(method, path, headers=bearer(aud="inventory"))).status_code == 401
