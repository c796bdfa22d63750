"""CPU per request of the data plane's Python code alone, with client and upstream in memory.

    .venv/bin/python -m benchmarks.in_memory [CONFIG] [--path /a]

No socket, no kernel, no other process: the figure repeats within a few percent on a quiet machine, so it shows what a
change to the hot path costs in seconds. To compare two versions, run both in turn, several times; use `make bench` for
figures to publish.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path
from statistics import median
from time import process_time

from strangler.config.load import load
from strangler.model.snapshot import Snapshot
from tests.proxy.in_process import Plane

CONFIGURATION = """\
version: 1
upstreams: {monolith: {endpoints: "http://127.0.0.1:8100"}}
default: monolith
access_log: {enabled: false}
"""
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
REQUESTS = 9_000
"""Requests of one connection; below the default of `limits.requests`, at which the gateway closes it."""


async def measure(snapshot: Snapshot, request: bytes, rounds: int) -> list[float]:
    """Microseconds a request, once per round; every round has a connection of its own."""
    plane = Plane(snapshot)
    figures = []
    for _ in range(rounds):
        client = plane.client()
        client.feed(request)
        await plane.settle()
        (upstream,) = plane.busy()
        upstream.feed(RESPONSE)
        began = process_time()
        for _ in range(REQUESTS):
            client.feed(request)
            upstream.feed(RESPONSE)
        figures.append((process_time() - began) / REQUESTS * 1e6)
        assert client.take().count(b"200 OK") == REQUESTS + 1
        upstream.take()
    plane.plane.rate_limiter.close()
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the data plane with client and upstream in memory.")
    parser.add_argument("config", nargs="?", type=Path, help="a configuration without `auth`; else a default upstream")
    parser.add_argument("--path", default="/a", help="what the client requests")
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        default = Path(folder, "gateway.yaml")
        default.write_text(CONFIGURATION)
        snapshot = load(arguments.config or default).snapshot
    request = f"GET {arguments.path} HTTP/1.1\r\nHost: shop.example\r\n\r\n".encode()
    figures = asyncio.run(measure(snapshot, request, arguments.rounds))
    print(f"{median(figures):.2f} µs a request, {min(figures):.2f} to {max(figures):.2f} in {len(figures)} rounds")


if __name__ == "__main__":
    main()
