"""What the control process finds out about upstreams: the addresses of their names, and which endpoints are up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from prometheus_client.core import Metric

from strangler.control.upstreams.discovery import Discovery
from strangler.control.upstreams.health import EndpointKey, HealthChecks
from strangler.control.upstreams.status import endpoint_gauge, upstream_gauges, upstreams_as_json
from strangler.model.snapshot import Snapshot
from strangler.model.upstream import Endpoint
from strangler.observe.worker_report import WorkerReport


class UpstreamMonitor:
    """Looks up the names of a snapshot's endpoints, and checks the health of what they mean.

    `on_addresses` gets an upstream and its endpoints, `on_down` the endpoints
    that are down, whenever either changes.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        on_addresses: Callable[[str, tuple[Endpoint, ...]], None],
        on_down: Callable[[frozenset[EndpointKey]], None],
    ) -> None:
        self._snapshot = snapshot
        self._on_addresses = on_addresses
        self._discovery = Discovery(self._addresses_changed)
        self._health = HealthChecks(on_down)

    def look_up(self, snapshot: Snapshot) -> None:
        """Look up the names in `snapshot` from now on."""
        self._snapshot = snapshot
        self._discovery.apply(snapshot)

    def check(self) -> None:
        """Check the endpoints of the newest snapshot from now on, at the addresses that are known."""
        self._health.apply(self._snapshot, self._discovery.addresses)

    @property
    def complete(self) -> bool:
        """Whether every name has been looked up."""
        return self._discovery.complete

    def stop(self) -> None:
        """End all checks and look-ups."""
        self._health.stop()
        self._discovery.stop()

    def health_as_json(self) -> list[dict[str, Any]]:
        """The state of every endpoint that is checked."""
        return self._health.as_json()

    def upstreams_as_json(self, reports: Iterable[WorkerReport]) -> dict[str, Any]:
        """The state of every upstream, with what the workers report of it."""
        return upstreams_as_json(self._snapshot, self._discovery.addresses, self._health.endpoints, reports)

    def families(self, reports: Iterable[WorkerReport]) -> Iterator[Metric]:
        """The same for Prometheus."""
        yield endpoint_gauge(self._health.endpoints)
        yield from upstream_gauges(self._snapshot, reports)

    def _addresses_changed(self, upstream: str, endpoints: tuple[Endpoint, ...]) -> None:
        self._on_addresses(upstream, endpoints)
        self.check()
