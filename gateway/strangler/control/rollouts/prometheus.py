"""The numbers of metric gates, asked of Prometheus (https://prometheus.io/docs/prometheus/latest/querying/api/).

A query has to give exactly one number. Whatever else comes of it, it can't be
measured, and the reason says so: no data is not success.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from time import time

import httpx

from strangler.control.rollouts.plans import MetricQuery, RolloutPlan
from strangler.rollout.evidence import MetricValue, Unavailable

DEADLINE = 5.0
EVERY = 10.0
"""Seconds between two queries of a gate."""
LONGEST_RESPONSE = 1_048_576
NOT_ASKED = Unavailable("Prometheus has not been asked yet")


class MetricReadings:
    """The newest number of each metric gate, for as long as this gateway leads."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], MetricValue | Unavailable] = {}

    def of(self, plan: RolloutPlan) -> dict[str, MetricValue | Unavailable]:
        """The numbers of a migration's metric gates."""
        return {gate: self._values.get((plan.migration, gate), NOT_ASKED) for gate in plan.metrics}

    async def ask(self, plans: Mapping[str, RolloutPlan]) -> None:
        """Ask for all numbers at once; takes DEADLINE at most."""
        queries = {(name, gate): query for name, plan in plans.items() for gate, query in plan.metrics.items()}
        if not queries:
            self._values = {}
            return
        # No proxy of the environment: Prometheus is where the configuration says.
        async with httpx.AsyncClient(timeout=DEADLINE, trust_env=False) as client:
            found = await asyncio.gather(*(measure(client, query) for query in queries.values()))
        self._values = dict(zip(queries, found, strict=True))


async def measure(client: httpx.AsyncClient, query: MetricQuery) -> MetricValue | Unavailable:
    """The number that a query gives now."""
    began = time()
    try:
        async with asyncio.timeout(DEADLINE):
            response = await _get(client, query)
    except TimeoutError:
        return Unavailable(f"Prometheus has not responded within {DEADLINE:g} s")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Unavailable(f"Prometheus can't be asked: {type(error).__name__}{f': {error}' if str(error) else ''}")
    if isinstance(response, Unavailable):
        return response
    number = number_of(response)
    return number if isinstance(number, Unavailable) else MetricValue(began, number)


async def _get(client: httpx.AsyncClient, query: MetricQuery) -> httpx.Response | Unavailable:
    """The response, as far as it is no longer than LONGEST_RESPONSE."""
    url = f"{query.prometheus.rstrip('/')}/api/v1/query"
    async with client.stream("GET", url, params={"query": query.query}) as response:
        body = bytearray()
        async for part in response.aiter_bytes():
            body += part
            if len(body) > LONGEST_RESPONSE:
                return Unavailable(f"Prometheus sent more than {LONGEST_RESPONSE} bytes")
        headers = {"Content-Type": "application/json"}
        return httpx.Response(response.status_code, headers=headers, content=bytes(body))


def number_of(response: httpx.Response) -> float | Unavailable:
    """The one number in a response of Prometheus."""
    try:
        document = response.json()
        if document["status"] != "success":
            return Unavailable(f"Prometheus reports an error: {str(document.get('error', response.status_code))[:200]}")
        data = document["data"]
        kind, result = data["resultType"], data["result"]
        if kind == "vector":
            if not result:
                return Unavailable("Prometheus returned an empty vector")
            if len(result) > 1:
                return Unavailable(f"Prometheus returned {len(result)} series, and a gate needs exactly one")
            value = float(result[0]["value"][1])
        elif kind == "scalar":
            value = float(result[1])
        else:
            return Unavailable(f"Prometheus returned a {kind}, and a gate needs one number")
    except (ValueError, KeyError, TypeError, IndexError):
        return Unavailable(f"Prometheus responded with status {response.status_code} and no result")
    if math.isnan(value):
        return Unavailable("Prometheus returned NaN")
    if math.isinf(value):
        return Unavailable("Prometheus returned an infinite number")
    return value
