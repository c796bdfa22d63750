"""Thousands of clients that never finish a request's head: what the others notice.

    make slow-clients
    .venv/bin/python -m benchmarks.slow_heads --connections 5000 --seconds 10

One process holds the slow connections and sends a byte on each of them every
second; another asks as ordinary clients do, once without them and once beside
them: on one kept connection, and on a fresh connection for each request.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import resource
import socket
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path

from benchmarks.measure import cpu_seconds
from benchmarks.origin import start_origin
from benchmarks.processes import NotRunnable, Process
from tests.free_ports import free_ports

REQUEST = b"GET /item HTTP/1.1\r\nHost: shop.example\r\n\r\n"
SLOW = b"GET /item HTTP/1.1\r\nHost: shop.example\r\nX-Slow: "
LONGEST_HEAD = 600.0
WARM_UP = 1.0
PAUSE = 0.005
PARTS = 50
"""So many groups of the slow connections are served one after the other within a second."""
OPEN_WITHIN = 60.0


@dataclass(frozen=True, slots=True)
class Latencies:
    """Milliseconds, sorted."""

    values: list[float]

    def __str__(self) -> str:
        def at(share: float) -> float:
            return self.values[min(len(self.values) - 1, int(len(self.values) * share))]

        return f"{len(self.values)} requests  p50 {at(0.5):.2f}  p99 {at(0.99):.2f}  most {self.values[-1]:.2f} ms"


def hold(port: int, count: int, holding: Event) -> None:
    """Open `count` connections, say so, and send a byte on each of them every second until terminated."""
    connections = []
    for _ in range(count):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.send(SLOW)
        connections.append(connection)
    holding.set()
    while True:
        started = time.monotonic()
        for part in range(PARTS):
            for connection in connections[part::PARTS]:
                connection.send(b"x")
            time.sleep(max(0.0, started + (part + 1) / PARTS - time.monotonic()))


def raise_open_files() -> int:
    """Allow as many open files as the hard limit does; how many that are."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def ask(port: int, seconds: float, fresh: bool) -> Latencies:
    """The latencies of requests one after the other, some milliseconds apart, for so many seconds."""
    values = []
    connection = socket.create_connection(("127.0.0.1", port))
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        time.sleep(PAUSE)
        started = time.perf_counter()
        if fresh:
            connection.close()
            connection = socket.create_connection(("127.0.0.1", port))
        connection.sendall(REQUEST)
        answer = connection.recv(65_536)
        values.append((time.perf_counter() - started) * 1000)
        assert answer.startswith(b"HTTP/1.1 200 "), answer
    connection.close()
    return Latencies(sorted(values))


@contextlib.contextmanager
def gateway(directory: Path, origin: int) -> Iterator[tuple[Process, int, int]]:
    """A gateway with one worker, its port and its admin port."""
    port, admin = free_ports(2)
    config = {
        "version": 1,
        "listen": f"127.0.0.1:{port}",
        "admin": f"127.0.0.1:{admin}",
        "upstreams": {"origin": {"endpoints": [f"http://127.0.0.1:{origin}"]}},
        "default": "origin",
        "access_log": {"path": str(directory / "access.log")},
        "limits": {"header_timeout": LONGEST_HEAD, "connections_per_address": 20_000, "requests": 1_000_000},
    }
    (directory / "gateway.yaml").write_text(json.dumps(config))
    command = [Path(sys.executable).parent / "strangler", "run", directory / "gateway.yaml", "--workers", "1"]
    with Process("gateway", command, directory) as process:
        process.wait_ready(f"http://127.0.0.1:{admin}/readyz")
        yield process, port, admin


def connections_of(admin: int) -> int:
    """The connections of clients that the gateway has open."""
    with urllib.request.urlopen(f"http://127.0.0.1:{admin}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    [line] = [line for line in lines if line.startswith("strangler_client_connections ")]
    return int(float(line.split()[1]))


def measure(count: int, seconds: float) -> None:
    """Print the figures without and with `count` slow connections."""
    limit = raise_open_files()
    if limit < count + 200:
        count = limit - 200
        print(f"only {count} connections: the hard limit of open files is {limit}")
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        origin = start_origin(stack, directory / "origin")
        process, port, admin = stack.enter_context(gateway(directory, origin.legacy_port))
        ask(port, WARM_UP, fresh=False)
        _print("without", port, seconds, process)
        holding = multiprocessing.Event()
        slow = multiprocessing.Process(target=hold, args=(port, count, holding))
        slow.start()
        stack.callback(slow.join)
        stack.callback(slow.terminate)
        if not holding.wait(OPEN_WITHIN):
            raise NotRunnable(f"the slow connections were not open within {OPEN_WITHIN:.0f} s")
        ends = time.monotonic() + OPEN_WITHIN
        while (held := connections_of(admin)) < count and time.monotonic() < ends:
            time.sleep(0.5)
        _print(f"beside {held}", port, seconds, process)


def _print(title: str, port: int, seconds: float, process: Process) -> None:
    worker = process.workers()[-1:]
    for kind, fresh in (("kept connection", False), ("fresh connections", True)):
        before, started = sum(cpu_seconds(worker).values()), time.monotonic()
        latencies = ask(port, seconds, fresh)
        elapsed = time.monotonic() - started
        share = 100 * (sum(cpu_seconds(worker).values()) - before) / elapsed
        print(f"{title:<12} {kind:<18} {latencies}   worker {share:.0f} % of a core", flush=True)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    measure(options.connections, options.seconds)


if __name__ == "__main__":
    main()
