"""Maximum connections of a worker and of one client address."""

from __future__ import annotations

from typing import Final

from strangler.proxy.client.worker import Worker
from strangler.routing.decide import Refusal
from strangler.routing.trust import network_of

MAXIMUM_TURNED_AWAY: Final = 1_000
"""Maximum rejected connections of a worker that still get an error response; the rest are reset."""


def enter(worker: Worker, peer: str, *, trusted: bool) -> Refusal | None:
    """Count a new connection of `peer`, and give the reason why it may not stay, if there is one.

    A trusted proxy may have any number: its connections are those of many clients.
    """
    addresses, limits = worker.addresses, worker.snapshot.limits
    network = network_of(peer)
    of_network = addresses[network] = addresses.get(network, 0) + 1
    if of_network > limits.connections_per_address and not trusted:
        return Refusal(429, "The client's address has too many connections.")
    # Those that are turned away take no place from others while they end.
    if len(worker.clients) + len(worker.tunnels) - worker.turned_away > limits.connections:
        return Refusal(503, "The gateway has too many connections.")
    return None


def leave(worker: Worker, peer: str) -> None:
    """A connection of `peer` is gone."""
    addresses = worker.addresses
    network = network_of(peer)
    left = addresses[network] - 1
    if left:
        addresses[network] = left
    else:
        del addresses[network]
