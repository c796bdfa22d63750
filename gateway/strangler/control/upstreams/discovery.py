"""Endpoint discovery: looks up the names of endpoints periodically, and makes an endpoint of each address.

A name that can't be looked up, or has no address at the moment, keeps the
addresses that it had, because an old address may still work. If the
configuration gives name servers, only these are asked, by DNS; otherwise the
machine's resolver, with its hosts file and search domains.
"""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Callable
from dataclasses import replace

import dns.asyncresolver
import dns.exception
import dns.nameserver
import structlog

from strangler.model.addresses import is_address
from strangler.model.resilience import Resolve
from strangler.model.snapshot import Snapshot
from strangler.model.upstream import Endpoint, Upstream
from strangler.observe.background_tasks import BackgroundTasks

log = structlog.get_logger(part="discovery")

JITTER = 0.1


class Discovery:
    """Looks up the names of a snapshot's endpoints.

    `addresses` has the endpoints by upstream. `on_change` gets an upstream and
    its endpoints when they change, () where they are unknown.
    """

    def __init__(self, on_change: Callable[[str, tuple[Endpoint, ...]], None]) -> None:
        self.addresses: dict[str, tuple[Endpoint, ...]] = {}
        self._on_change = on_change
        self._running: dict[str, tuple[Upstream, asyncio.Task[None]]] = {}
        self._tasks = BackgroundTasks(log)

    def apply(self, snapshot: Snapshot) -> None:
        """Look up the names in `snapshot`; upstreams whose endpoints stay the same keep their addresses."""
        wanted = {name: one for name, one in snapshot.upstreams.items() if one.resolve is not None}
        for name, (upstream, task) in list(self._running.items()):
            kept = wanted.get(name)
            if kept is None or (kept.endpoints, kept.resolve) != (upstream.endpoints, upstream.resolve):
                task.cancel()
                del self._running[name]
                if self.addresses.pop(name, None):
                    self._on_change(name, ())
        for name, upstream in wanted.items():
            if name not in self._running:
                self._running[name] = (
                    upstream,
                    self._tasks.start(self._keep_looking(upstream), f"look-ups of {upstream.name}"),
                )

    @property
    def complete(self) -> bool:
        """Whether every name has been looked up."""
        return self.addresses.keys() >= self._running.keys()

    def stop(self) -> None:
        """Stop all look-ups."""
        for _, task in self._running.values():
            task.cancel()
        self._running = {}

    async def _keep_looking(self, upstream: Upstream) -> None:
        resolve = upstream.resolve
        assert resolve is not None
        known: dict[str, list[str]] = {}
        failing: set[str] = set()
        while True:
            for name in {endpoint.host for endpoint in upstream.endpoints if not is_address(endpoint.host)}:
                try:
                    async with asyncio.timeout(resolve.timeout):
                        addresses = await look_up(name, resolve)
                except (OSError, dns.exception.DNSException) as error:
                    if name not in failing:
                        log.warning(
                            "a name can't be looked up, keeping the addresses that are known",
                            upstream=upstream.name,
                            name=name,
                            known=known.get(name, []),
                            error=f"{type(error).__name__}: {error}",
                        )
                    failing.add(name)
                    continue
                failing.discard(name)
                if known.get(name) != addresses:
                    log.info("addresses changed", upstream=upstream.name, name=name, addresses=addresses)
                    known[name] = addresses
            found_at = [
                _at(endpoint, address)
                for endpoint in upstream.endpoints
                for address in ([endpoint.host] if is_address(endpoint.host) else known.get(endpoint.host, []))
            ]
            # Two names may have an address in common, which is one endpoint.
            endpoints = tuple({endpoint.url: endpoint for endpoint in found_at}.values())
            if endpoints and endpoints != self.addresses.get(upstream.name):
                self.addresses[upstream.name] = endpoints
                self._on_change(upstream.name, endpoints)
            await asyncio.sleep(resolve.interval * random.uniform(1 - JITTER, 1 + JITTER))


async def look_up(name: str, resolve: Resolve) -> list[str]:
    """The IPv4 and IPv6 addresses of `name`, sorted, at least one.

    Raises OSError or DNSException where there are none.
    """
    if not resolve.nameservers:
        resolved = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_STREAM)
        return sorted({str(address[0]) for *_, address in resolved})
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers = [dns.nameserver.Do53Nameserver(host, port) for host, port in resolve.nameservers]
    answers = await resolver.resolve_name(name, lifetime=resolve.timeout)
    return sorted(set(answers.addresses()))


def _at(endpoint: Endpoint, address: str) -> Endpoint:
    """`endpoint` at one of its addresses."""
    if address == endpoint.host:
        return endpoint
    scheme, usual = ("https", 443) if endpoint.tls else ("http", 80)
    host = f"[{address}]" if ":" in address else address
    authority = host if endpoint.port == usual else f"{host}:{endpoint.port}"
    return replace(endpoint, url=f"{scheme}://{authority}", host=address, name=endpoint.host)
