"""The contenders, one module each. To add one, write a module with a `Contender` and list it here."""

from __future__ import annotations

from benchmarks.peers import envoy, gateway, haproxy, nginx
from benchmarks.peers.contender import Contender

GATEWAY = gateway.GATEWAY
CAREFUL = gateway.CAREFUL
BARE: tuple[Contender, ...] = (GATEWAY, nginx.NGINX, haproxy.HAPROXY, envoy.ENVOY)
# nginx stands here too, so that the table says why it has no figure.
FULL: tuple[Contender, ...] = (GATEWAY, nginx.NGINX, haproxy.HAPROXY, envoy.CACHED, envoy.UNCACHED)
STREAM: tuple[Contender, ...] = BARE
SHADOW: tuple[Contender, ...] = gateway.SHADOW

__all__ = ["BARE", "CAREFUL", "FULL", "GATEWAY", "SHADOW", "STREAM", "Contender"]
