"""The shop under gunicorn, with its sample data, until the test is over."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.e2e.waiting import wait_for
from tests.free_ports import free_ports

MONOLITH = Path(__file__).parents[2] / "legacy_monolith"
DEADLINE = 60.0


@contextmanager
def shop(folder: Path, **variables: str) -> Iterator[str]:
    """The shop's base URL; its database is in `folder`, `variables` go into its environment."""
    (port,) = free_ports(1)
    environment = {
        **os.environ,
        "SHOP_DEVELOPMENT": "1",
        "DATABASE_PATH": str(folder / "shop.sqlite3"),
        "BIND": f"127.0.0.1:{port}",
        **variables,
    }
    for command in (["migrate", "--no-input", "--verbosity=0"], ["seed"]):
        subprocess.run([sys.executable, "manage.py", *command], cwd=MONOLITH, env=environment, check=True)
    with (folder / "shop.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "shop.wsgi"], cwd=MONOLITH, env=environment, stderr=log
        )
    url = f"http://127.0.0.1:{port}"

    def responds() -> bool:
        assert process.poll() is None, (folder / "shop.log").read_text()
        try:
            return httpx.get(f"{url}/healthz", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    try:
        wait_for(responds, "the shop", DEADLINE)
        yield url
    finally:
        process.terminate()
        process.wait(DEADLINE)
