"""Envoy sends a caller to the side that the gateway chooses, so another engine can carry a split (decision 0026)."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from benchmarks.peers.envoy import binary
from strangler.routing.split import BUCKETS, bucket_of
from tests.e2e.waiting import wait_for
from tests.free_ports import free_ports

CALLERS = 10_000
PERCENT = 7
MIGRATION = "catalog"
_TYPE = "type.googleapis.com/envoy.extensions.filters"


@contextmanager
def side(name: str) -> Iterator[int]:
    """A server that responds with its name; its port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response_only(200)
            self.send_header("Content-Length", "0")
            self.send_header("X-Side", name)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def cluster(name: str, port: int) -> dict[str, Any]:
    """A cluster of one endpoint on loopback."""
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
    return {"name": name, "type": "STATIC", "load_assignment": {"cluster_name": name, "endpoints": endpoints}}


def bootstrap(port: int, admin: int, extracted: int, legacy: int) -> dict[str, Any]:
    """An Envoy that splits by the header X-Split-Key, PERCENT to the extracted side."""
    weights = [
        {"name": "extracted", "weight": PERCENT * BUCKETS // 100},
        {"name": "legacy", "weight": BUCKETS - PERCENT * BUCKETS // 100},
    ]
    route = {
        "match": {"prefix": "/"},
        "route": {
            "hash_policy": [{"header": {"header_name": "x-split-key"}}],
            "weighted_clusters": {"use_hash_policy": True, "clusters": weights},
        },
    }
    connections = {
        "@type": f"{_TYPE}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "clients",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{_TYPE}.http.router.v3.Router"},
            }
        ],
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": connections}]
    listener = {
        "name": "clients",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": filters}],
    }
    return {
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": admin}}},
        "static_resources": {
            "listeners": [listener],
            "clusters": [cluster("extracted", extracted), cluster("legacy", legacy)],
        },
    }


@pytest.fixture
def envoy(tmp_path: Path) -> Iterator[int]:
    """The port of a running Envoy with both sides behind it."""
    port, admin = free_ports(2)
    with side("extracted") as extracted, side("legacy") as legacy:
        (tmp_path / "envoy.json").write_text(json.dumps(bootstrap(port, admin, extracted, legacy)))
        options = ["--use-dynamic-base-id", "--concurrency", "1", "--log-level", "warn", "-c", tmp_path / "envoy.json"]
        with subprocess.Popen([binary(), *options]) as process:
            try:
                wait_for(lambda: accepts(port), "Envoy to listen")
                yield port
            finally:
                process.terminate()


def accepts(port: int) -> bool:
    """Whether somebody listens on `port`."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def sides_of(port: int, callers: list[str]) -> list[str]:
    """The side that responds to each caller, asked on one connection."""
    sides = []
    with socket.create_connection(("127.0.0.1", port)) as connection, connection.makefile("rb") as responses:
        for caller in callers:
            head = f"GET / HTTP/1.1\r\nHost: a\r\nX-Split-Key: {MIGRATION}:{caller}\r\n\r\n"
            connection.sendall(head.encode())
            assert responses.readline().startswith(b"HTTP/1.1 200 ")
            fields = dict(line.rstrip().lower().split(b": ", 1) for line in iter(responses.readline, b"\r\n"))
            sides.append(fields[b"x-side"].decode())
    return sides


def test_envoy_sends_each_caller_to_the_side_that_the_gateway_chooses(envoy: int) -> None:
    callers = [f"user-{number}" for number in range(CALLERS - 1)] + ["käthe@example.com"]
    chosen = ["extracted" if bucket_of(MIGRATION, caller) < PERCENT * 100 else "legacy" for caller in callers]
    assert sides_of(envoy, callers) == chosen
    assert 0.06 < chosen.count("extracted") / CALLERS < 0.08
