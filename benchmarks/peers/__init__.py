"""The contenders, one module each. To add one, write a module with a `Contender` and list it here."""

from __future__ import annotations

from benchmarks.peers import envoy, gateway, haproxy, nginx
from benchmarks.peers.contender import Contender

GATEWAY = gateway.GATEWAY
CAREFUL = gateway.CAREFUL
TWO_WORKERS = gateway.TWO_WORKERS
HAPROXY = haproxy.HAPROXY
ENVOY_UNCACHED = envoy.UNCACHED
BARE: tuple[Contender, ...] = (GATEWAY, nginx.NGINX, haproxy.HAPROXY, envoy.ENVOY)
AUTHENTICATING: tuple[Contender, ...] = (GATEWAY, haproxy.HAPROXY, envoy.CACHED)
# nginx verifies no token: it shows what passing on costs without one.
FULL: tuple[Contender, ...] = (*AUTHENTICATING, nginx.UNAUTHENTICATED)
STREAM: tuple[Contender, ...] = BARE
SHADOW: tuple[Contender, ...] = gateway.SHADOW

__all__ = [
    "AUTHENTICATING",
    "BARE",
    "CAREFUL",
    "ENVOY_UNCACHED",
    "FULL",
    "GATEWAY",
    "HAPROXY",
    "SHADOW",
    "STREAM",
    "TWO_WORKERS",
    "Contender",
]
