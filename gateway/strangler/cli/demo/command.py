"""`strangler demo`: the reference system of a checkout, all of it on this machine.

Monolith, extracted services and gateway run as processes of their own, as they
would anywhere, with SQLite files and logs in `var/demo`. Addresses are those of
`config/gateway.yaml`; the same environment variables move them. Ctrl-C, SIGTERM
and SIGHUP stop everything, the gateway first, so that it can finish what it has
begun.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO, Any
from urllib.parse import urlsplit

import httpx
import orjson

from strangler.cli.demo.log_lines import event_lines, request_line

START_DEADLINE = 30.0
STOP_DEADLINE = 15.0
_POLL = 0.05
_CHOICES = ("USERS_STAGE", "USERS_BUG")
_NEEDED = ("config/gateway.yaml", "legacy_monolith/manage.py", "extracted/users", "extracted/catalog")


class DemoError(Exception):
    """The demo can't go on; the message says why."""


class _Stop(Exception):
    """A signal asks to stop."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """The base URLs of everything."""

    gateway: str
    admin: str
    monolith: str
    users: str
    catalog: str

    @classmethod
    def of_environment(cls) -> Addresses:
        """Where the environment says, else where config/gateway.yaml says."""
        return cls(
            "http://" + os.environ.get("GATEWAY_LISTEN", "127.0.0.1:8080"),
            "http://" + os.environ.get("GATEWAY_ADMIN", "127.0.0.1:8081"),
            os.environ.get("MONOLITH_URL", "http://127.0.0.1:8100"),
            os.environ.get("USERS_URL", "http://127.0.0.1:8201"),
            os.environ.get("CATALOG_URL", "http://127.0.0.1:8202"),
        )

    def taken(self) -> Iterator[str]:
        """Those at which somebody listens already."""
        for url in (self.gateway, self.admin, self.monolith, self.users, self.catalog):
            parts = urlsplit(url)
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((parts.hostname or "", parts.port or 80))
                except OSError:
                    yield url


@dataclass(slots=True)
class Running:
    """A process of the demo and the file with what it says."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    began: int
    shown: list[threading.Thread] = field(default_factory=list)

    def last_words(self) -> str:
        """The end of what it said."""
        for thread in self.shown:
            thread.join(1.0)
        return _end_of(self.log, self.began)


@dataclass(slots=True)
class Demo:
    """The checkout at `root`, and what runs of it."""

    root: Path
    addresses: Addresses
    workers: int
    running: list[Running] = field(default_factory=list)

    @property
    def var(self) -> Path:
        """Where databases and logs are: `DEMO_FOLDER`, else var/demo of the checkout."""
        return Path(os.environ.get("DEMO_FOLDER") or self.root / "var" / "demo").absolute()

    def start(self) -> None:
        """Start everything in the order in which one needs the other.

        Raises DemoError.
        """
        self.var.mkdir(parents=True, exist_ok=True)
        _say(f"starting a monolith, two services and the gateway; databases and logs are in {self.var}")
        where = self.addresses
        shop = {
            "SHOP_DEVELOPMENT": "1",
            "DATABASE_PATH": str(self.var / "shop.sqlite3"),
            "BIND": _authority(where.monolith),
        }
        monolith = self.root / "legacy_monolith"
        _say("monolith: schema and sample data")
        self._once("monolith", [sys.executable, "manage.py", "migrate", "--no-input", "--verbosity=0"], monolith, shop)
        self._once("monolith", [sys.executable, "manage.py", "seed"], monolith, shop)
        self._run(
            "monolith", [sys.executable, "-m", "gunicorn", "shop.wsgi"], monolith, shop, f"{where.monolith}/healthz"
        )
        for name, url in (("users", where.users), ("catalog", where.catalog)):
            parts = urlsplit(url)
            service = {
                "DATABASE_URL": f"sqlite:///{self.var / name}.sqlite3",
                "MONOLITH_DATABASE_URL": f"sqlite:///{self.var / 'shop.sqlite3'}",
                "HOST": parts.hostname or "",
                "PORT": str(parts.port),
                "JWKS": f"{where.monolith}/.well-known/jwks.json",
            }
            module = [sys.executable, "-m", f"{name}_service"]
            _say(f"{name}: its own database, filled from the monolith's")
            self._once(name, [*module, "fill"], self.root / "extracted" / name, service)
            self._run(name, [*module, "serve"], self.root / "extracted" / name, service, f"{url}/readyz")
        cli = [sys.executable, "-P", "-m", "strangler.cli"]
        strangler = [*cli, "run", "config/gateway.yaml", "--workers", str(self.workers)]
        gateway = {
            "SHOP_JWKS": f"{where.monolith}/.well-known/jwks.json",
            "GATEWAY_STORE": f"sqlite:///{self.var / 'gateway.sqlite3'}",
        }
        self._run("gateway", strangler, self.root, gateway, f"{where.admin}/readyz")

    def _once(self, name: str, command: list[str], folder: Path, environment: dict[str, str]) -> None:
        log = self.var / f"{name}.log"
        with log.open("ab") as output:
            began = output.tell()
            done = subprocess.run(
                command, cwd=folder, env=os.environ | environment, stdout=output, stderr=output, check=False
            )
        if done.returncode:
            raise DemoError(f"{name}: `{' '.join(command[1:])}` failed:\n{_end_of(log, began)}")

    def _run(self, name: str, command: list[str], folder: Path, environment: dict[str, str], ready: str) -> None:
        log = self.var / f"{name}.log"
        # Groups of their own: Ctrl-C reaches this process alone, which stops the others in order.
        with log.open("ab") as output:
            began = output.tell()
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=os.environ | environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if name == "gateway" else output,
                stderr=subprocess.PIPE if name == "gateway" else output,
                start_new_session=True,
            )
        running = Running(name, process, log, began)
        self.running.append(running)
        for lines, show in ((process.stdout, request_line), (process.stderr, event_lines)):
            if lines is not None:
                thread = threading.Thread(target=show_log, args=(lines, log, show), daemon=True)
                thread.start()
                running.shown.append(thread)
        _say(f"{name}: starting")
        deadline = time.monotonic() + START_DEADLINE
        with httpx.Client(timeout=2.0, trust_env=False) as client:
            while not _answers(client, ready):
                if process.poll() is not None:
                    raise DemoError(f"{name} ended at its start:\n{running.last_words()}")
                if time.monotonic() > deadline:
                    raise DemoError(f"{name} is not ready after {START_DEADLINE:g} s:\n{running.last_words()}")
                time.sleep(_POLL)
        _say(f"{name}: ready")

    def wait(self) -> None:
        """Wait until one of the processes ends, which none should.

        Raises DemoError.
        """
        while True:
            for running in self.running:
                if running.process.poll() is not None:
                    raise DemoError(f"{running.name} has ended:\n{running.last_words()}")
            time.sleep(0.2)

    def stop(self) -> None:
        """Stop everything, the gateway first; what does not stop in time is killed."""
        for running in reversed(self.running):
            if running.process.poll() is None:
                running.process.terminate()
            try:
                running.process.wait(STOP_DEADLINE)
            except subprocess.TimeoutExpired:
                _say(f"{running.name} did not stop in time and is killed")
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(running.process.pid, signal.SIGKILL)
                running.process.wait()


def run_demo(workers: int) -> int:
    """Run the demo until a signal; 1 where something of it can't run, 2 outside of a checkout."""
    root = Path.cwd()
    missing = [name for name in _NEEDED if not (root / name).exists()]
    if missing:
        print(
            f"strangler: the demo runs in a checkout of strangler-gateway; there is no {missing[0]} here",
            file=sys.stderr,
        )
        return 2
    addresses = Addresses.of_environment()
    taken = list(addresses.taken())
    if taken:
        print(
            f"strangler: somebody listens already at {', '.join(taken)}: another demo, to be "
            "stopped with Ctrl-C there? (`ss -ltnp` shows who)",
            file=sys.stderr,
        )
        return 1

    def stop(number: int, frame: FrameType | None) -> None:
        for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(name, lambda *_: None)
        raise _Stop

    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, stop)
    demo = Demo(root, addresses, workers)
    try:
        demo.start()
        print(_introduction(demo), flush=True)
        demo.wait()
    except _Stop:
        _say("stopping")
        return 0
    except DemoError as error:
        print(f"strangler: {error}", file=sys.stderr)
        return 1
    finally:
        demo.stop()
        _say(f"stopped; logs and databases stay in {demo.var}")
    return 0


def _introduction(demo: Demo) -> str:
    where = demo.addresses
    answer = httpx.post(
        f"{where.gateway}/api/auth/token", json={"name": "alice", "password": "alice-password"}, trust_env=False
    )
    token = answer.raise_for_status().json()["access_token"]
    chosen = [f"{name}={os.environ[name]}" for name in _CHOICES if os.environ.get(name)]
    as_chosen = f"\nWith {' '.join(chosen)}; export that where you call strangler in another terminal" if chosen else ""
    return f"""
Everything runs. Shop: {where.gateway}/   log in as alice, password alice-password
Behind it: monolith {where.monolith}, users {where.users}, catalog {where.catalog}
Admin: {where.admin}/status  /metrics  /routes    logs: {demo.var}{as_chosen}

A token of alice, for an hour, and requests to try in another terminal:

export TOKEN={token}
curl -i {where.gateway}/api/catalog/products/1
curl -i {where.gateway}/api/catalog/products/1 -H "Authorization: Bearer $TOKEN"
curl -i {where.gateway}/api/users/me -H "Authorization: Bearer $TOKEN"
curl -i {where.gateway}/api/users/me
curl -i {where.gateway}/api/orders -H "Authorization: Bearer $TOKEN"
curl -i {where.gateway}/api/orders -H "Authorization: Bearer $TOKEN" \\
  -H 'Content-Type: application/json' -d '{{"items": [{{"product_id": 33, "quantity": 1}}]}}'
.venv/bin/strangler explain config/gateway.yaml GET /api/catalog/products/1 --claim sub=user-1

Save changes of config/gateway.yaml and see them taken up, or refused, here.
Requests and events as they come (Ctrl-C stops everything):
"""


def _end_of(log: Path, began: int) -> str:
    """The last lines of a log, of those that it got since it had `began` bytes."""
    return "\n".join(log.read_bytes()[began:].decode(errors="replace").splitlines()[-12:])


def show_log(lines: IO[bytes], log: Path, text_of: Callable[[dict[str, Any]], str]) -> None:
    """Print one of the gateway's logs as a person reads it, and keep it beside the other logs."""
    with log.open("ab", buffering=0) as output:
        for line in lines:
            output.write(line)
            try:
                text = text_of(orjson.loads(line))
            except (orjson.JSONDecodeError, KeyError, TypeError):
                continue
            if text:
                _say(text)


def _answers(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(url).status_code == 200
    except httpx.HTTPError:
        return False


def _authority(url: str) -> str:
    return urlsplit(url).netloc


def _say(text: str) -> None:
    print(text, flush=True)
