"""Active health checks: the control process requests each endpoint, and the workers avoid those that are down.

Intervals are jittered, and the first checks are spread, so that many gateways
with many endpoints do not check at the same moments.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import structlog

from strangler.model.snapshot import Snapshot
from strangler.model.tls_context import upstream_context
from strangler.model.upstream import Endpoint, HealthCheck, UpstreamTls
from strangler.observe.background_tasks import BackgroundTasks
from strangler.observe.descriptors import any_left
from strangler.resilience.health import EndpointHealth

log = structlog.get_logger(part="health")

JITTER = 0.1

EndpointKey = tuple[str, str]
"""An upstream's name and an endpoint's URL."""


@dataclass(frozen=True, slots=True)
class Check:
    """How one endpoint is checked."""

    settings: HealthCheck
    endpoint: Endpoint
    tls: UpstreamTls


class HealthChecks:
    """Runs the checks of a snapshot; `on_change` gets the endpoints that are down."""

    def __init__(self, on_change: Callable[[frozenset[EndpointKey]], None]) -> None:
        self.endpoints: dict[EndpointKey, EndpointHealth] = {}
        self._on_change = on_change
        self._checks: dict[EndpointKey, tuple[Check, asyncio.Task[None]]] = {}
        self._tasks = BackgroundTasks(log)

    def apply(self, snapshot: Snapshot, addresses: Mapping[str, tuple[Endpoint, ...]]) -> None:
        """Check the endpoints of `snapshot`, at `addresses` where those are known; unchanged checks go on."""
        wanted = {
            (upstream.name, endpoint.url): Check(upstream.health, endpoint, upstream.tls)
            for upstream in snapshot.upstreams.values()
            if upstream.health is not None
            for endpoint in addresses.get(upstream.name) or upstream.endpoints
        }
        for key, (check, task) in list(self._checks.items()):
            if wanted.get(key) != check:
                task.cancel()
                del self._checks[key]
        self.endpoints = {key: self.endpoints.get(key) or EndpointHealth() for key in wanted}
        for key, check in wanted.items():
            if key not in self._checks:
                self._checks[key] = (
                    check,
                    self._tasks.start(self._run(key, check), f"health checks of {check.endpoint.url}"),
                )
        self._on_change(self.down())

    def down(self) -> frozenset[EndpointKey]:
        """The endpoints that are down."""
        return frozenset(key for key, health in self.endpoints.items() if not health.up)

    def stop(self) -> None:
        """Stop all checks."""
        for _, task in self._checks.values():
            task.cancel()
        self._checks = {}

    def as_json(self) -> list[dict[str, Any]]:
        """The state of every checked endpoint."""
        return [
            {
                "upstream": upstream,
                "endpoint": url,
                "up": health.up,
                "last": health.last,
                "last_good": health.well,
                "in_a_row": health.in_a_row,
            }
            for (upstream, url), health in self.endpoints.items()
        ]

    async def _run(self, key: EndpointKey, check: Check) -> None:
        upstream, url = key
        health = self.endpoints[key]
        endpoint, settings = check.endpoint, check.settings
        verify: ssl.SSLContext | bool = upstream_context(check.tls) if endpoint.tls else True
        headers = {"Host": endpoint.host_header.decode("ascii")}
        name = check.tls.server_name or endpoint.certified_name
        async with httpx.AsyncClient(
            timeout=settings.timeout, trust_env=False, verify=verify, headers=headers
        ) as client:
            await asyncio.sleep(random.uniform(0, JITTER * settings.interval))
            while True:
                good, last = await _check(client, url + settings.path, settings, name)
                if not good and not any_left():
                    # The failure may be this process's own, so it is no evidence about the endpoint.
                    log.error("no file descriptors left for a health check", upstream=upstream, url=url, last=last)
                elif health.note(good, last, settings):
                    log.warning(
                        "endpoint went up" if good else "endpoint went down", upstream=upstream, url=url, last=last
                    )
                    self._on_change(self.down())
                await asyncio.sleep(settings.interval * random.uniform(1 - JITTER, 1 + JITTER))


async def _check(client: httpx.AsyncClient, url: str, check: HealthCheck, server_name: str) -> tuple[bool, str]:
    try:
        async with asyncio.timeout(check.timeout):
            response = await client.get(url, extensions={"sni_hostname": server_name})
    except TimeoutError:
        return False, f"no response in {check.timeout:g} s"
    except httpx.HTTPError as error:
        return False, f"{type(error).__name__}: {_cause(error)}"
    return response.status_code in check.status, f"status {response.status_code}"


def _cause(error: BaseException) -> str:
    """The operating system's error: httpx itself only reports that all attempts have failed."""
    at: BaseException | None = error
    while at is not None:
        if isinstance(at, OSError) and at.strerror:
            return at.strerror
        at = at.__cause__ or at.__context__
    return str(error)
