"""The processes of the demo: started in order, watched, and stopped in the opposite order."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import httpx
import orjson

from strangler.cli.demo.addresses import DemoAddresses
from strangler.cli.demo.log_lines import event_lines, request_line
from strangler.compiled import how_it_runs
from strangler.config.compile.admin import VARIABLE

START_DEADLINE = 30.0
STOP_DEADLINE = 15.0
_POLL = 0.05


class DemoError(Exception):
    """The demo can't go on; the message is the reason."""


@dataclass(slots=True)
class Running:
    """A process of the demo, and the file with its output."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    began: int
    shown: list[threading.Thread] = field(default_factory=list)

    def last_words(self) -> str:
        """The end of its output."""
        for thread in self.shown:
            thread.join(1.0)
        return _end_of(self.log, self.began)


@dataclass(slots=True)
class Demo:
    """The processes of the demo, started from the checkout at `root`; `admin_token` may operate the gateway."""

    root: Path
    addresses: DemoAddresses
    workers: int
    admin_token: str
    running: list[Running] = field(default_factory=list)

    @property
    def var(self) -> Path:
        """Where databases and logs are: `DEMO_FOLDER`, else var/demo of the checkout."""
        return Path(os.environ.get("DEMO_FOLDER") or self.root / "var" / "demo").absolute()

    def start(self) -> None:
        """Start every process after those that it needs.

        Raises DemoError.
        """
        self.var.mkdir(parents=True, exist_ok=True)
        say(f"starting a monolith, two services and the gateway; databases and logs are in {self.var}")
        where = self.addresses
        shop = {
            "SHOP_DEVELOPMENT": "1",
            "DATABASE_PATH": str(self.var / "shop.sqlite3"),
            "BIND": _authority(where.monolith),
        }
        monolith = self.root / "legacy_monolith"
        say("monolith: schema and sample data")
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
            say(f"{name}: its own database, filled from the monolith's")
            self._once(name, [*module, "fill"], self.root / "extracted" / name, service)
            self._run(name, [*module, "serve"], self.root / "extracted" / name, service, f"{url}/readyz")
        cli = [sys.executable, "-P", "-m", "strangler.cli"]
        strangler = [*cli, "run", "config/gateway.yaml", "--workers", str(self.workers)]
        gateway = {
            "SHOP_JWKS": f"{where.monolith}/.well-known/jwks.json",
            "GATEWAY_STORE": f"sqlite:///{self.var / 'gateway.sqlite3'}",
            VARIABLE: self.admin_token,
        }
        say(f"gateway: {how_it_runs()}")
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
        say(f"{name}: starting")
        deadline = time.monotonic() + START_DEADLINE
        with httpx.Client(timeout=2.0, trust_env=False) as client:
            while not _is_ready(client, ready):
                if process.poll() is not None:
                    raise DemoError(f"{name} ended while it was starting:\n{running.last_words()}")
                if time.monotonic() > deadline:
                    raise DemoError(f"{name} is not ready after {START_DEADLINE:g} s:\n{running.last_words()}")
                time.sleep(_POLL)
        say(f"{name}: ready")

    def wait(self) -> None:
        """Wait until one of the processes ends, which is an error.

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
                say(f"{running.name} did not stop in time and is killed")
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(running.process.pid, signal.SIGKILL)
                running.process.wait()


def _end_of(log: Path, began: int) -> str:
    """The last lines that were added to a log since it had `began` bytes."""
    return "\n".join(log.read_bytes()[began:].decode(errors="replace").splitlines()[-12:])


def show_log(lines: IO[bytes], log: Path, text_of: Callable[[dict[str, Any]], str]) -> None:
    """Print one of the gateway's logs for people, and keep it as it is beside the other logs."""
    with log.open("ab", buffering=0) as output:
        for line in lines:
            output.write(line)
            try:
                text = text_of(orjson.loads(line))
            except (orjson.JSONDecodeError, KeyError, TypeError):
                continue
            if text:
                say(text)


def _is_ready(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(url).status_code == 200
    except httpx.HTTPError:
        return False


def _authority(url: str) -> str:
    return urlsplit(url).netloc


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)
