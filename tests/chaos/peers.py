"""HAProxy and Envoy in the two scenarios that they can play: an endpoint killed, and reloads under load.

Both are told to try another endpoint where that is safe for reads, and to check
their endpoints' health, as a careful operator would have it. HAProxy reloads by
SIGUSR2 of its master; Envoy takes a new route table from a file that is renamed
into place. Without an extracted side to fall back from, and with other words
for the same things, the remaining scenarios can't be put to them.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.peers.envoy import binary
from benchmarks.processes import NotRunnable
from tests.chaos.load import Load
from tests.chaos.scenarios import killing
from tests.chaos.stage import Endpoint, Outcome, Stage, under_load
from tests.e2e.raw_http import Client
from tests.e2e.waiting import wait_for
from tests.free_ports import free_ports

_HAPROXY = """
global
  master-worker
  log stderr local0 emerg
defaults
  mode http
  timeout connect 2s
  timeout client 30s
  timeout server 30s
  retries 3
  option redispatch
  retry-on conn-failure empty-response response-timeout junk-response
frontend clients
  bind 127.0.0.1:{port}
  http-response set-header X-Configuration {number}
  default_backend orders
backend orders
  option httpchk GET /healthz
  http-request disable-l7-retry if METH_POST
{servers}
"""

_TYPE = "type.googleapis.com/envoy"


class HAProxy:
    """HAProxy in master-worker mode."""

    name = "HAProxy"

    def __init__(self, folder: Path, endpoints: list[Endpoint], stack: ExitStack) -> None:
        if shutil.which("haproxy") is None:
            raise NotRunnable("haproxy is not installed")
        self.port = free_ports(1)[0]
        self._config = folder / "haproxy.cfg"
        self._endpoints = endpoints
        self._write(0)
        self._process = subprocess.Popen(["haproxy", "-W", "-f", str(self._config)], stderr=subprocess.DEVNULL)
        stack.callback(_end, self._process)

    def _write(self, number: int) -> None:
        servers = "\n".join(f"  server {each.name} 127.0.0.1:{each.port} check inter 200ms" for each in self._endpoints)
        self._config.write_text(_HAPROXY.format(port=self.port, number=number, servers=servers))

    def reload(self, number: int) -> None:
        """Ask for a new configuration."""
        self._write(number)
        self._process.send_signal(signal.SIGUSR2)


class Envoy:
    """Envoy with a route table from a file."""

    name = "Envoy"

    def __init__(self, folder: Path, endpoints: list[Endpoint], stack: ExitStack) -> None:
        self.port = free_ports(1)[0]
        self._routes = folder / "routes.json"
        self._write(0)
        bootstrap = folder / "envoy.json"
        bootstrap.write_text(json.dumps(self._bootstrap(endpoints)))
        self._process = subprocess.Popen(
            [binary(), "--use-dynamic-base-id", "--concurrency", "2", "--log-level", "off", "-c", bootstrap]
        )
        stack.callback(_end, self._process)

    def reload(self, number: int) -> None:
        """Ask for a new route table."""
        self._write(number)

    def _write(self, number: int) -> None:
        another = {
            "retry_host_predicate": [
                {
                    "name": "envoy.retry_host_predicates.previous_hosts",
                    "typed_config": {
                        "@type": f"{_TYPE}.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
                    },
                }
            ],
            "host_selection_retry_max_attempts": 5,
            "num_retries": 3,
        }
        reads = {"retry_on": "connect-failure,refused-stream,reset,5xx", **another}
        writes = {"retry_on": "connect-failure", **another}
        mark = {"header": {"key": "X-Configuration", "value": str(number)}}
        routes = [
            {
                "match": {"prefix": "/", "headers": [{"name": ":method", "string_match": {"exact": "POST"}}]},
                "route": {"cluster": "orders", "retry_policy": writes},
            },
            {"match": {"prefix": "/"}, "route": {"cluster": "orders", "retry_policy": reads}},
        ]
        table = {
            "@type": f"{_TYPE}.config.route.v3.RouteConfiguration",
            "name": "routes",
            "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes, "response_headers_to_add": [mark]}],
        }
        new = self._routes.with_suffix(".new")
        new.write_text(json.dumps({"version_info": str(number), "resources": [table]}))
        new.rename(self._routes)

    def _bootstrap(self, endpoints: list[Endpoint]) -> dict[str, Any]:
        connections = {
            "@type": f"{_TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "clients",
            "rds": {
                "route_config_name": "routes",
                "config_source": {"path_config_source": {"path": str(self._routes)}},
            },
            "http_filters": [
                {
                    "name": "envoy.filters.http.router",
                    "typed_config": {"@type": f"{_TYPE}.extensions.filters.http.router.v3.Router"},
                }
            ],
        }
        health = {
            "timeout": "1s",
            "interval": "0.2s",
            "unhealthy_threshold": 2,
            "healthy_threshold": 1,
            "http_health_check": {"path": "/healthz"},
        }
        return {
            "node": {"id": "chaos", "cluster": "chaos"},
            "static_resources": {
                "listeners": [
                    {
                        "name": "clients",
                        "address": _address(self.port),
                        "filter_chains": [
                            {
                                "filters": [
                                    {
                                        "name": "envoy.filters.network.http_connection_manager",
                                        "typed_config": connections,
                                    }
                                ]
                            }
                        ],
                    }
                ],
                "clusters": [
                    {
                        "name": "orders",
                        "type": "STATIC",
                        "connect_timeout": "2s",
                        "health_checks": [health],
                        # The default, three retries at once, is less than this load needs.
                        "circuit_breakers": {"thresholds": [{"max_retries": 100}]},
                        "load_assignment": {
                            "cluster_name": "orders",
                            "endpoints": [
                                {"lb_endpoints": [{"endpoint": {"address": _address(each.port)}} for each in endpoints]}
                            ],
                        },
                    }
                ],
            },
        }


Peer = HAProxy | Envoy


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _configuration(port: int) -> bytes | None:
    try:
        with Client(port) as client:
            return client.request("/orders?nonce=probe").value(b"X-Configuration")
    except (OSError, AssertionError):
        return None


def _reload(peer: Peer, number: int) -> None:
    """Ask for a new configuration until it is served: HAProxy's master loses a signal while it starts anew."""
    asked = 0.0

    def serves() -> bool:
        nonlocal asked
        if time.monotonic() > asked + 1:
            asked = time.monotonic()
            peer.reload(number)
        return _configuration(peer.port) == b"%d" % number

    wait_for(serves, f"{peer.name} to serve by a new configuration")


def play(kind: Callable[[Path, list[Endpoint], ExitStack], Peer], scenario: str, scale: float) -> Outcome:
    """What comes of `kind` in `endpoint-killed` or `reloads`; raises NotRunnable where it isn't installed."""

    async def main() -> Outcome:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="strangler-chaos-")))
            stage = Stage(folder, stack)
            one, two = stage.endpoint("one"), stage.endpoint("two")
            peer = kind(folder, [one, two], stack)
            await asyncio.to_thread(wait_for, lambda: _configuration(peer.port) == b"0", f"{peer.name} to be ready")

            async def reloads(load: Load) -> None:
                for number in range(1, max(3, round(100 * scale)) + 1):
                    await asyncio.to_thread(_reload, peer, number)
                    await load.answered(10)

            tally = await under_load(peer.port, killing(two, scale) if scenario == "endpoint-killed" else reloads)
            return stage.outcome(scenario, tally, {"one", "two"})

    return asyncio.run(main())
