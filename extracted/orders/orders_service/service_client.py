"""Calls to other services: with a service token, timeouts, retries and a circuit breaker.

Everything that is sent through here is idempotent, so that what got no response may be sent again.
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

from orders_service.service_tokens import ServiceTokens


class ServiceUnavailable(Exception):
    """No response that decides anything; whether the request was carried out is unknown."""


class CircuitOpen(ServiceUnavailable):
    """The service has failed so often that it is left alone for a while; nothing was sent."""


@dataclass(frozen=True, slots=True)
class CallSettings:
    """Times are seconds."""

    timeout: float
    """For one attempt, from connecting to the last byte."""
    attempts: int
    retry_budget: float
    """After this long no further attempt begins."""
    breaker_failures: int
    breaker_pause: float


class ServiceClient:
    """One called service, for one event loop. Without `tokens` the caller gives the headers itself."""

    def __init__(self, name: str, url: str, settings: CallSettings, tokens: ServiceTokens | None = None) -> None:
        self.name = name
        self._settings = settings
        self._tokens = tokens
        self._client = httpx.AsyncClient(base_url=url, timeout=settings.timeout)
        self._breakers = AsyncCircuitBreakerFactory(settings.breaker_failures, settings.breaker_pause)

    async def send(
        self, method: str, path: str, content: dict[str, Any] | None = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """A response below 500. Raises `ServiceUnavailable`."""
        request_headers = _context() | (headers or {})
        if self._tokens is not None:
            request_headers["Authorization"] = f"Bearer {self._tokens.token(self.name)}"
        settings = self._settings
        async for attempt in stamina.retry_context(
            on=lambda error: isinstance(error, ServiceUnavailable) and not isinstance(error, CircuitOpen),
            attempts=settings.attempts,
            timeout=settings.retry_budget,
            wait_initial=0.05,
            wait_max=0.5,
            wait_jitter=0.05,
        ):
            with attempt:
                return await self._attempt(method, path, content, request_headers)
        raise AssertionError("the last attempt returns or raises")

    async def close(self) -> None:
        await self._client.aclose()

    async def _attempt(
        self, method: str, path: str, content: dict[str, Any] | None, headers: dict[str, str]
    ) -> httpx.Response:
        breaker = await self._breakers.get_breaker(self.name)
        try:
            # httpx limits each read; a service that sends a byte at a time would never reach that limit.
            async with breaker, asyncio.timeout(self._settings.timeout):
                response = await self._client.request(method, path, json=content, headers=headers)
                if response.status_code >= 500 or response.status_code == 429:
                    raise ServiceUnavailable(f"{self.name}: status {response.status_code}")
                return response
        except OpenedState:
            raise CircuitOpen(f"{self.name}: the circuit is open") from None
        except (httpx.HTTPError, TimeoutError) as error:
            raise ServiceUnavailable(f"{self.name}: {type(error).__name__} {error}".rstrip()) from error


def _context() -> dict[str, str]:
    """The request's id and trace, for the called service's log."""
    context = structlog.contextvars.get_contextvars()
    headers = {}
    if "request_id" in context:
        headers["X-Request-Id"] = context["request_id"]
    if "trace_id" in context:
        headers["traceparent"] = f"00-{context['trace_id']}-{context['parent_id']}-01"
    return headers
