"""Webhooks: only the provider's, only fresh ones, each applied once."""

import asyncio
import dataclasses
import json
import time
from pathlib import Path

import httpx
import pytest

from payments_service.settings import Settings
from payments_service.webhooks import sign

from .conftest import SECRET, ProviderProcess, serving_here
from .sides import serving
from .test_charges import Bearer, Shop
from .test_service import COMMAND

pytestmark = pytest.mark.anyio


def webhook(key: str, kind: str = "charge.succeeded", number: int = 1) -> bytes:
    return json.dumps({"id": f"ev-{key}-{number}", "type": kind, "reference": key, "charge": "ch-1"}).encode()


async def send(client: httpx.AsyncClient, body: bytes, secret: str = SECRET, age: float = 0) -> int:
    seconds = str(int(time.time() - age))
    headers = {"Provider-Signature": f"t={seconds},v1={sign(secret.encode(), seconds, body)}"}
    return (await client.post("/webhooks/provider", content=body, headers=headers)).status_code


@pytest.fixture
async def shop(client: httpx.AsyncClient, bearer: Bearer, provider: ProviderProcess) -> Shop:
    """With a charge that is pending, for the provider is down."""
    provider.control(mode="down")
    shop = Shop(client, bearer())
    await shop.charge()
    return shop


async def test_a_webhook_settles_a_charge_and_repeated_changes_nothing(shop: Shop) -> None:
    assert await send(shop.client, webhook(shop.key)) == 200
    assert await shop.status() == "charged"
    assert await send(shop.client, webhook(shop.key)) == 200
    assert await send(shop.client, webhook(shop.key, "charge.declined", 2)) == 200
    assert await shop.status() == "charged"


async def test_webhooks_in_the_wrong_order_leave_the_charge_as_it_is(shop: Shop) -> None:
    assert await send(shop.client, webhook(shop.key, "refund.succeeded")) == 200
    assert await shop.status() == "pending"
    assert await send(shop.client, webhook("unknown")) == 200


async def test_both_secrets_are_accepted_while_one_replaces_the_other(shop: Shop) -> None:
    assert await send(shop.client, webhook(shop.key), "next-secret") == 200


async def test_other_signatures_are_refused(shop: Shop) -> None:
    body = webhook(shop.key)
    assert await send(shop.client, body, "other") == 400
    assert await send(shop.client, body, age=301) == 400
    assert await send(shop.client, body, age=-310) == 400
    seconds = str(int(time.time()))
    signature = sign(SECRET.encode(), seconds, body)
    for header in ("", "t=,v1=", f"v1={signature}", f"t={seconds}", f"t={int(seconds) - 1},v1={signature}"):
        response = await shop.client.post("/webhooks/provider", content=body, headers={"Provider-Signature": header})
        assert response.json()["error"]["code"] == "invalid_signature"
    altered = {"Provider-Signature": f"t={seconds},v1={signature}"}
    assert (await shop.client.post("/webhooks/provider", content=body + b" ", headers=altered)).status_code == 400
    assert await shop.status() == "pending"


async def test_a_service_that_does_not_verify_is_found_out(
    settings: Settings, bearer: Bearer, provider: ProviderProcess
) -> None:
    async with serving_here(dataclasses.replace(settings, bug="unsigned")) as client:
        assert await send(client, webhook("x"), "other") == 200


async def test_the_provider_reports_the_end_of_a_review_by_webhook(
    variables: dict[str, str], bearer: Bearer, provider: ProviderProcess, tmp_path: Path
) -> None:
    """Both as processes. The background does not ask in this test; the webhook comes twice."""
    variables |= {"SETTLE_PAUSE_SECONDS": "3600"}
    with serving([*COMMAND, "serve"], tmp_path, variables, tmp_path / "log") as served:
        url = f"http://127.0.0.1:{served.port}"
        provider.control(webhook_url=f"{url}/webhooks/provider")
        async with httpx.AsyncClient(base_url=url) as client:
            shop = Shop(client, bearer())
            assert (await shop.charge("card-review")).status_code == 202
            await shop.becomes("charged")
        received = 0
        while received < 2:
            lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
            received = sum(line["event"] == "webhook received" for line in lines)
            await asyncio.sleep(0.02)
        assert [line["new"] for line in lines if line["event"] == "webhook received"] == [True, False]
