"""Active health checks: the control process asks each endpoint, the workers avoid those that are down.

An endpoint counts as up until `unhealthy_after` checks in a row have failed,
and as up again after `healthy_after` good ones. Intervals are jittered, so
that many gateways do not ask in step.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import structlog

from gateway.config.snapshot import HealthCheck, Snapshot
from gateway.config.tls import upstream_context

log = structlog.get_logger(part="health")

JITTER = 0.1


@dataclass(slots=True)
class EndpointHealth:
    """What the checks of one endpoint have found so far."""

    up: bool = True
    in_a_row: int = 0
    last: str = "not checked yet"

    def note(self, good: bool, last: str, check: HealthCheck) -> bool:
        """Take one result in; whether the endpoint went up or down by it."""
        self.last = last
        if good == self.up:
            self.in_a_row = 0
            return False
        self.in_a_row += 1
        if self.in_a_row < (check.healthy_after if good else check.unhealthy_after):
            return False
        self.up = good
        self.in_a_row = 0
        return True


class HealthChecks:
    """Runs the checks of a snapshot; `on_change` gets the URLs of the endpoints that are down."""

    def __init__(self, on_change: Callable[[frozenset[str]], None]) -> None:
        self.endpoints: dict[tuple[str, str], EndpointHealth] = {}
        self._on_change = on_change
        self._tasks: list[asyncio.Task[None]] = []

    def apply(self, snapshot: Snapshot) -> None:
        """Check what `snapshot` says; what is known of endpoints that stay is kept."""
        self.stop()
        known = self.endpoints
        self.endpoints = {}
        for upstream in snapshot.upstreams.values():
            if upstream.health is None:
                continue
            for endpoint in upstream.endpoints:
                key = (upstream.name, endpoint.url)
                self.endpoints[key] = known.get(key) or EndpointHealth()
                verify = upstream_context(upstream.tls) if endpoint.tls else True
                name = upstream.tls.server_name or endpoint.host
                self._tasks.append(asyncio.create_task(self._check(key, upstream.health, verify, name)))
        self._on_change(self.down())

    def down(self) -> frozenset[str]:
        """The URLs of the endpoints that are down."""
        return frozenset(url for (_, url), health in self.endpoints.items() if not health.up)

    def stop(self) -> None:
        """End all checks."""
        for task in self._tasks:
            task.cancel()
        self._tasks = []

    def as_json(self) -> list[dict[str, Any]]:
        """The state of every checked endpoint."""
        return [
            {"upstream": upstream, "endpoint": url, "up": health.up, "last": health.last}
            for (upstream, url), health in self.endpoints.items()
        ]

    async def _check(
        self, key: tuple[str, str], check: HealthCheck, verify: ssl.SSLContext | bool, server_name: str
    ) -> None:
        upstream, url = key
        health = self.endpoints[key]
        async with httpx.AsyncClient(timeout=check.timeout, trust_env=False, verify=verify) as client:
            while True:
                good, last = await _ask(client, url + check.path, check.status, server_name)
                if health.note(good, last, check):
                    log.warning(
                        "endpoint went up" if good else "endpoint went down", upstream=upstream, url=url, last=last
                    )
                    self._on_change(self.down())
                await asyncio.sleep(check.interval * random.uniform(1 - JITTER, 1 + JITTER))


async def _ask(client: httpx.AsyncClient, url: str, expected: int, server_name: str) -> tuple[bool, str]:
    try:
        response = await client.get(url, extensions={"sni_hostname": server_name})
    except httpx.HTTPError as error:
        return False, f"{type(error).__name__}: {error}"
    return response.status_code == expected, f"status {response.status_code}"
