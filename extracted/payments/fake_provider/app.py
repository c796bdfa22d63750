"""The provider's API, modelled on real ones. How a charge goes is chosen by its `source`:

| `source` | what happens |
|---|---|
| `card-declined` | declined |
| `card-slow` | charged, but the first response takes 30 s |
| `card-lost` | charged, but the connection breaks before the first response |
| `card-flaky` | the first two requests get 503, before anything is done |
| `card-review` | `pending`; a webhook reports the success, twice |
| anything else | charged |

`POST /control` with `{"mode": "down"}` answers everything with 503, `"slow"` lets everything take 30 s, `"up"` ends
that; `{"webhook_url": URL}` says where webhooks go.
`GET /ledger` shows all charges, so that tests can check that no customer was charged twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from fake_provider.ledger import DECLINED, PENDING, SUCCEEDED, Ledger, ProviderCharge

SLOW = 30.0


class BrokenResponse(Response):
    """Begins a response, and lets the server close the connection before it is complete."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"100")]})


class FakeProvider:
    def __init__(self, api_key: str, webhook_url: str, webhook_secret: str) -> None:
        self.ledger = Ledger()
        self.mode = "up"
        self._api_key = api_key
        self._webhook_url = webhook_url
        self._webhook_secret = webhook_secret.encode()
        self._flaky: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def charge(self, request: Request) -> Response:
        values, key = await self._read(request)
        if values["source"] == "card-flaky" and self._flaky.setdefault(key, 0) < 2:
            self._flaky[key] += 1
            return JSONResponse({"error": "try again"}, 503)
        found = self.ledger.charges.get(key)
        if found is not None:
            found.requests += 1
            return JSONResponse(found.shown())
        status = {"card-declined": DECLINED, "card-review": PENDING}.get(values["source"], SUCCEEDED)
        made = ProviderCharge(
            f"ch_{uuid.uuid4().hex}", key, values["reference"], values["amount"], values["source"], status
        )
        self.ledger.charges[key] = made
        if made.source == "card-review":
            self._later(self._review(made))
        if made.source == "card-slow":
            await asyncio.sleep(SLOW)
        if made.source == "card-lost":
            return BrokenResponse()
        return JSONResponse(made.shown())

    async def refund(self, request: Request) -> Response:
        values, key = await self._read(request)
        charge = self.ledger.by_id(values["charge"])
        if charge is None or charge.status != SUCCEEDED:
            return JSONResponse({"error": "no such charge"}, 404)
        self.ledger.refund(key, charge)
        return JSONResponse({"id": f"re_{charge.id}", "status": SUCCEEDED})

    async def control(self, request: Request) -> Response:
        values = await request.json()
        self.mode = values.get("mode", self.mode)
        self._webhook_url = values.get("webhook_url", self._webhook_url)
        return JSONResponse({"mode": self.mode})

    async def show_ledger(self, request: Request) -> Response:
        return JSONResponse({"charges": [charge.shown() for charge in self.ledger.charges.values()]})

    async def _read(self, request: Request) -> tuple[dict[str, Any], str]:
        """The body and the idempotency key, if the provider is up and the caller known."""
        if self.mode == "slow":
            await asyncio.sleep(SLOW)
        if self.mode == "down":
            raise Refusal(503)
        if request.headers.get("authorization") != f"Bearer {self._api_key}":
            raise Refusal(401)
        key = request.headers.get("idempotency-key", "")
        if not key:
            raise Refusal(400)
        return await request.json(), key

    async def _review(self, charge: ProviderCharge) -> None:
        await asyncio.sleep(0.2)
        charge.status = SUCCEEDED
        content = {
            "id": f"ev_{charge.id}",
            "type": "charge.succeeded",
            "reference": charge.reference,
            "charge": charge.id,
        }
        body = json.dumps(content).encode()
        async with httpx.AsyncClient() as client:
            for _ in range(2):
                seconds = str(int(time.time()))
                signature = hmac.new(self._webhook_secret, seconds.encode() + b"." + body, hashlib.sha256).hexdigest()
                headers = {"Provider-Signature": f"t={seconds},v1={signature}"}
                # A real provider would repeat it for days.
                with contextlib.suppress(httpx.HTTPError):
                    await client.post(self._webhook_url, content=body, headers=headers)

    def _later(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class Refusal(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


async def refused(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": "refused"}, error.status if isinstance(error, Refusal) else 500)


def build_app(api_key: str, webhook_url: str, webhook_secret: str) -> Starlette:
    provider = FakeProvider(api_key, webhook_url, webhook_secret)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await provider.close()

    return Starlette(
        routes=[
            Route("/v1/charges", provider.charge, methods=["POST"]),
            Route("/v1/refunds", provider.refund, methods=["POST"]),
            Route("/control", provider.control, methods=["POST"]),
            Route("/ledger", provider.show_ledger),
        ],
        exception_handlers={Refusal: refused},
        lifespan=lifespan,
    )
