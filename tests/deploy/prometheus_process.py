"""Debian's Prometheus and promtool, run by tests."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.e2e.waiting import wait_for
from tests.free_ports import free_ports

OBSERVABILITY = Path(__file__).parents[2] / "deploy" / "observability"
INSTALLED = shutil.which("prometheus") is not None and shutil.which("promtool") is not None


def promtool(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run promtool in `deploy/observability` with `given` on standard input."""
    return subprocess.run(
        ["promtool", *arguments], cwd=OBSERVABILITY, input=given, capture_output=True, text=True, timeout=60
    )


class Prometheus:
    """A running Prometheus at `url`."""

    def __init__(self, url: str) -> None:
        self.url = url

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The vector that `expression` has now."""
        found = self._get("query", query=expression)["result"]
        assert isinstance(found, list)
        return found

    def alerts(self) -> dict[str, str]:
        """The state of each alert that is not inactive, by its name."""
        return {alert["labels"]["alertname"]: alert["state"] for alert in self._get("alerts")["alerts"]}

    def _get(self, path: str, **parameters: str) -> dict[str, Any]:
        response = httpx.get(f"{self.url}/api/v1/{path}", params=parameters, trust_env=False, timeout=10)
        data = response.json()["data"]
        assert isinstance(data, dict)
        return data


@contextmanager
def prometheus(folder: Path, target: str) -> Iterator[Prometheus]:
    """A Prometheus that reads deploy/observability/prometheus.yml, but scrapes `target` every half second."""
    configuration = yaml.safe_load((OBSERVABILITY / "prometheus.yml").read_text())
    configuration["global"] = {"scrape_interval": "500ms", "scrape_timeout": "400ms", "evaluation_interval": "500ms"}
    configuration["rule_files"] = [str(OBSERVABILITY / name) for name in configuration["rule_files"]]
    configuration["scrape_configs"][0]["static_configs"] = [{"targets": [target]}]
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(configuration))
    (port,) = free_ports(1)
    output = folder / "prometheus.log"
    with output.open("wb") as log:
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={file}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        running = Prometheus(f"http://127.0.0.1:{port}")
        wait_for(lambda: _is_ready(running, process, output), "Prometheus to be ready")
        yield running
    finally:
        process.terminate()
        process.wait(30)


def _is_ready(running: Prometheus, process: subprocess.Popen[bytes], output: Path) -> bool:
    assert process.poll() is None, output.read_text()
    try:
        return httpx.get(f"{running.url}/-/ready", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
