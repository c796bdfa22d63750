"""Servers as people run them behind a gateway that protects some of their paths, and attempts to get past it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.attack.spellings import Attempt
from tests.e2e.gateway_process import ROOT, GatewayProcess
from tests.e2e.tokens import AUDIENCE, ISSUER, Issuer
from tests.e2e.waiting import wait_for
from tests.free_ports import free_ports

NODE = Path(__file__).with_name("node_servers.js")
PYTHON_SERVERS = ("django", "starlette")
NODE_SERVERS = ("new-url", "new-url-decoded", "normalize")
NODE_PACKAGES = {"express": "express@4", "fastify": "fastify@4"}
PROTECTED = frozenset({"secret", "admin", "query", "mode"})
WAYS_IN = {
    "secret": Attempt("/secret"),
    "admin": Attempt("/admin/x"),
    "query": Attempt("/q?admin=1"),
    "mode": Attempt("/m", ("X-Mode: admin",)),
}
"""What reaches each protected handler with a token, on every server."""
DEADLINE = 30.0


@dataclass
class Outcome:
    """What came of the requests to one server: how many statuses, which handlers, and what got through."""

    statuses: Counter[int] = field(default_factory=Counter)
    reached: Counter[str] = field(default_factory=Counter)
    breaches: list[tuple[str, Attempt]] = field(default_factory=list)


def command(kind: str, port: int) -> list[str]:
    """What starts the server `kind` on `port`."""
    python = [sys.executable, "-P", "-m"]
    if kind == "django":
        return [*python, "gunicorn", "--bind", f"127.0.0.1:{port}", "tests.attack.django_app:application"]
    if kind == "starlette":
        quiet = ("--log-level", "error")
        return [*python, "uvicorn", "--port", str(port), *quiet, "tests.attack.starlette_app:application"]
    return ["node", str(NODE), kind, str(port)]


@contextmanager
def servers(kinds: Sequence[str], folder: Path, modules: Path | None = None) -> Iterator[dict[str, int]]:
    """The servers of these `kinds`, by their ports; `modules` holds the packages of Node."""
    ports = dict(zip(kinds, free_ports(len(kinds)), strict=True))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NODE_PATH": str(modules or folder)}
    with ExitStack() as stack:
        for kind, port in ports.items():
            log = stack.enter_context((folder / f"{kind}.log").open("wb"))
            process = subprocess.Popen(command(kind, port), stdout=log, stderr=log, cwd=folder, env=environment)
            stack.callback(process.wait, DEADLINE)
            stack.callback(process.terminate)
        for kind, port in ports.items():
            wait_for(_listening(port), f"{kind} to listen", DEADLINE)
        yield ports


def _listening(port: int) -> Callable[[], bool]:
    def listening() -> bool:
        with socket.socket() as connecting:
            return connecting.connect_ex(("127.0.0.1", port)) == 0

    return listening


def configuration(ports: dict[str, int]) -> dict[str, Any]:
    """A host for each server, with protected routes under a catch-all to the same upstream."""
    auth = {"provider": "shop"}
    folding = "ignored"
    routes = []
    for kind in ports:
        matches: dict[str, dict[str, Any]] = {
            "secret": {"path": "/secret"},
            "admin": {"path": "/admin/**"},
            "query": {"path": "/q", "query": {"admin": "1"}},
            "mode": {"path": "/m", "headers": {"X-Mode": "admin"}},
        }
        for name, match in matches.items():
            match = {"host": f"{kind}.example", **match}
            routes.append({"name": f"{kind}-{name}", "match": match, "upstream": kind, "auth": auth})
        routes.append({"name": kind, "match": {"host": f"{kind}.example", "path": "/**"}, "upstream": kind})
    exact = {"case": "exact", "final_slash": "exact"}
    return {
        "auth": {
            "providers": {
                "shop": {"issuer": ISSUER, "audience": AUDIENCE, "algorithms": ["ES256"], "jwks": "jwks.json"}
            }
        },
        "upstreams": {
            kind: {
                "endpoints": f"http://127.0.0.1:{port}",
                "paths": {"case": folding, "final_slash": folding} if kind == "express" else exact,
            }
            for kind, port in ports.items()
        },
        "routes": routes,
        "access_log": {"enabled": False},
    }


class Attacker:
    """One connection to the gateway, made anew whenever it ends."""

    def __init__(self, port: int, host: str) -> None:
        self._port = port
        self._host = host
        self._socket: socket.socket | None = None

    def ask(self, attempt: Attempt, *more: str) -> tuple[int, str]:
        """The status of the response to `attempt`, and the handler that it reached, "" for none."""
        lines = [f"GET {attempt.target} HTTP/1.1", f"Host: {self._host}", *attempt.fields, *more]
        request = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        for _ in range(2):
            fresh = self._socket is None
            if self._socket is None:
                self._socket = socket.create_connection(("127.0.0.1", self._port), DEADLINE)
            try:
                self._socket.sendall(request)
                head, length = self._response()
            except OSError:
                head = b""
            if head:
                break
            self.close()
            assert not fresh, f"no response to {request!r}"
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
        if fields.get(b"connection") == b"close" or not length:
            self.close()
        return int(head[9:12]), fields.get(b"x-reached", b"").decode()

    def _response(self) -> tuple[bytes, bool]:
        """The head of a response, whose body is read, too; and whether that had a length."""
        assert self._socket is not None
        data = b""
        while b"\r\n\r\n" not in data:
            received = self._socket.recv(65_536)
            if not received:
                return b"", False
            data += received
        head, _, body = data.partition(b"\r\n\r\n")
        _, found, rest = head.lower().partition(b"\r\ncontent-length: ")
        left = int(rest.split(b"\r\n")[0]) - len(body) if found else 0
        while left > 0:
            left -= len(self._socket.recv(65_536))
        return head, bool(found)

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def attack(port: int, kind: str, attempts: Iterable[Attempt]) -> Outcome:
    """Send `attempts` to the server `kind` through the gateway at `port`."""
    outcome = Outcome()
    attacker = Attacker(port, f"{kind}.example")
    for attempt in attempts:
        status, reached = attacker.ask(attempt)
        outcome.statuses[status] += 1
        outcome.reached[reached] += 1
        if reached in PROTECTED:
            outcome.breaches.append((reached, attempt))
    attacker.close()
    return outcome


@contextmanager
def gateway(folder: Path, ports: dict[str, int], issuer: Issuer) -> Iterator[GatewayProcess]:
    """A gateway in front of the servers, of which it is certain that they report what is reached."""
    issuer.write_key_set(folder)
    with GatewayProcess(folder, configuration(ports)) as running:
        for kind in ports:
            attacker = Attacker(running.port, f"{kind}.example")
            for name, attempt in WAYS_IN.items():
                assert attacker.ask(attempt) == (401, ""), (kind, name)
                assert attacker.ask(attempt, issuer.bearer())[1] == name, (kind, name)
            assert attacker.ask(Attempt("/x"))[1] == "open", kind
            attacker.close()
        yield running
