"""The payment provider, over HTTP: with timeouts, retries, a circuit breaker, and an idempotency key on everything.

A request that got no response may have been carried out. So each is repeated with the same `Idempotency-Key`, and only
a response decides. What can't be learned now is `ProviderUnavailable`: the caller leaves its charge unsettled.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import httpx
import stamina
import structlog
from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.model import OpenedState

from payments_service.charges import Wanted

CIRCUIT = "payment provider"

log = structlog.get_logger(__name__)


class ProviderUnavailable(Exception):
    """No response that decides anything; the message says why. Whether the request was carried out is unknown."""


class CircuitOpen(ProviderUnavailable):
    """The provider has failed so often that it is left alone for a while; nothing was sent."""


class ProviderRefused(Exception):
    """The provider understood the request and refuses it, whenever it is repeated: a bug, or a wrong API key."""


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """Times are seconds."""

    url: str
    api_key: str
    timeout: float
    """For one attempt, from connecting to the last byte."""
    attempts: int
    retry_budget: float
    """After this long no further attempt begins."""
    breaker_failures: int
    """As many failed attempts in a row open the circuit."""
    breaker_pause: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the provider says of a charge: `succeeded`, `declined`, or `pending` until a webhook."""

    status: str
    provider_id: str


class Provider:
    """One provider, for one event loop."""

    def __init__(self, settings: ProviderSettings) -> None:
        self._settings = settings
        self._client = httpx.AsyncClient(
            base_url=settings.url,
            headers={"Authorization": f"Bearer {settings.api_key}"},
            timeout=settings.timeout,
            follow_redirects=False,
        )
        self._breakers = AsyncCircuitBreakerFactory(settings.breaker_failures, settings.breaker_pause)

    async def charge(self, key: str, wanted: Wanted, reference: str) -> Outcome:
        """Take the money, or learn what came of the earlier request with this key. Webhooks name the reference."""
        content = {
            "amount": wanted.amount_cents,
            "currency": wanted.currency,
            "source": wanted.method,
            "reference": reference,
        }
        return _read_outcome(await self._send("/v1/charges", key, content))

    async def refund(self, key: str, provider_id: str) -> None:
        """Give all of the money back."""
        await self._send("/v1/refunds", key, {"charge": provider_id})

    async def close(self) -> None:
        await self._client.aclose()

    async def _send(self, path: str, key: str, content: dict[str, Any]) -> dict[str, Any]:
        settings = self._settings
        async for attempt in stamina.retry_context(
            on=lambda error: isinstance(error, ProviderUnavailable) and not isinstance(error, CircuitOpen),
            attempts=settings.attempts,
            timeout=settings.retry_budget,
            wait_initial=0.1,
            wait_max=1.0,
            wait_jitter=0.1,
        ):
            with attempt:
                return await self._attempt(path, key, content)
        raise AssertionError("the last attempt returns or raises")

    async def _attempt(self, path: str, key: str, content: dict[str, Any]) -> dict[str, Any]:
        breaker = await self._breakers.get_breaker(CIRCUIT, exclude=[ProviderRefused])
        try:
            async with breaker:
                return await self._post(path, key, content)
        except OpenedState:
            raise CircuitOpen("the circuit to the provider is open") from None

    async def _post(self, path: str, key: str, content: dict[str, Any]) -> dict[str, Any]:
        try:
            # httpx limits each read; a provider that sends a byte at a time would never reach that limit.
            async with asyncio.timeout(self._settings.timeout):
                response = await self._client.post(path, json=content, headers={"Idempotency-Key": key})
        except (httpx.HTTPError, TimeoutError) as error:
            raise ProviderUnavailable(f"{type(error).__name__} {error}".rstrip()) from error
        if response.status_code >= 500 or response.status_code in (408, 409, 425, 429):
            raise ProviderUnavailable(f"status {response.status_code}")
        if response.status_code >= 300:
            raise ProviderRefused(f"{path}: status {response.status_code}")
        try:
            values = response.json()
        except ValueError:
            raise ProviderUnavailable("the response is not JSON") from None
        if not isinstance(values, dict):
            raise ProviderUnavailable("the response is not a JSON object")
        return values


def _read_outcome(values: dict[str, Any]) -> Outcome:
    status, provider_id = values.get("status"), values.get("id")
    if status not in ("succeeded", "declined", "pending") or not isinstance(provider_id, str):
        raise ProviderUnavailable("the response says nothing about the charge")
    return Outcome(status, provider_id)
