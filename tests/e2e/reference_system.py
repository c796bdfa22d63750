"""The reference system as `strangler demo` starts it, on free ports, until the test is over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.e2e.waiting import wait_for
from tests.free_ports import free_ports

ROOT = Path(__file__).parents[2]
DEADLINE = 100.0


@dataclass(frozen=True)
class Reference:
    """The running demo: its base URLs, its folder, and where its output goes."""

    gateway: str
    admin: str
    ports: tuple[int, ...]
    process: subprocess.Popen[bytes]
    folder: Path
    output: Path

    def token(self, name: str) -> str:
        """A token of a sample user, by name and password."""
        answer = httpx.post(f"{self.gateway}/api/auth/token", json={"name": name, "password": f"{name}-password"})
        assert answer.status_code == 200
        return str(answer.json()["access_token"])


@contextmanager
def reference_system(folder: Path, **variables: str) -> Iterator[Reference]:
    """The demo with its databases and logs in `folder`; `variables` go into its environment."""
    ports = tuple(free_ports(5))
    gateway, admin, monolith, users, catalog = (f"127.0.0.1:{port}" for port in ports)
    environment = {
        "GATEWAY_LISTEN": gateway,
        "GATEWAY_ADMIN": admin,
        "MONOLITH_URL": f"http://{monolith}",
        "USERS_URL": f"http://{users}",
        "CATALOG_URL": f"http://{catalog}",
        "DEMO_FOLDER": str(folder),
        "PYTHONUNBUFFERED": "1",
        **variables,
    }
    output = folder / "output.txt"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "strangler.cli", "demo"],
            cwd=ROOT,
            env=os.environ | environment,
            stdout=file,
            stderr=file,
        )
    reference = Reference(f"http://{gateway}", f"http://{admin}", ports, process, folder, output)
    try:
        wait_for(
            lambda: "is running. Shop" in output.read_text() or process.poll() is not None,
            "the demo to run",
            DEADLINE,
        )
        assert process.poll() is None, output.read_text()
        yield reference
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(DEADLINE)
