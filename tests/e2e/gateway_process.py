"""A real `strangler run` on free ports, from a configuration given as a dict, until the test is over."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.preloaded import PreloadedProcess, start_preloaded
from tests.e2e.raw_http import Client
from tests.e2e.waiting import wait_for
from tests.free_ports import free_ports

ROOT = Path(__file__).parents[2]
START_DEADLINE = 60.0
STOP_DEADLINE = 60.0
# Without verifying, which it has no need of: reading the certificates takes longer than most of what is waited for.
_ASKING = httpx.Client(trust_env=False, verify=False, timeout=10, limits=httpx.Limits(max_keepalive_connections=0))


class GatewayProcess:
    """Started and ready on entering, drained on leaving, which fails unless the exit is clean.

    `config` is everything but `version`, `listen` and `admin`. `folder` gets
    the configuration, standard output (the access log) and standard error (the
    event log). `descriptors` are the soft and hard limits of file descriptors.
    `fresh` starts an interpreter for it, as an operator does, instead of forking
    one in which the program is loaded.
    """

    def __init__(
        self,
        folder: Path,
        config: Mapping[str, Any],
        *,
        workers: int = 1,
        path: Path | None = None,
        environment: Mapping[str, str] | None = None,
        descriptors: tuple[int, int] | None = None,
        fresh: bool = False,
    ) -> None:
        self.folder = folder
        self.path = path or folder / "gateway.yaml"
        self.port, self.admin_port = free_ports(2)
        self.config = dict(config)
        self.expected_exit = 0
        self._workers = workers
        self._descriptors = descriptors
        self._fresh = fresh or descriptors is not None
        self._environment = {**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})}
        self._outputs = contextlib.ExitStack()
        self._process: subprocess.Popen[bytes] | PreloadedProcess | None = None

    # Life

    def __enter__(self) -> GatewayProcess:
        if not self.path.exists():
            self.write(self.config)
        self.start()
        try:
            self.wait_ready()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGTERM)
            code = self.process.wait(STOP_DEADLINE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"did not stop in {STOP_DEADLINE:g} s:\n{self.events_text()}") from None
        finally:
            self._outputs.close()
        if error is None:
            assert code == self.expected_exit, f"exit code {code}:\n{self.events_text()}"
            assert "Traceback" not in self.events_text(), self.events_text()

    @property
    def process(self) -> subprocess.Popen[bytes] | PreloadedProcess:
        """The control process."""
        assert self._process is not None
        return self._process

    def start(self) -> None:
        """Start the process, without waiting for anything."""
        out = self._outputs.enter_context((self.folder / "stdout").open("ab"))
        err = self._outputs.enter_context((self.folder / "stderr").open("ab"))
        arguments = ["run", str(self.path), "--workers", str(self._workers)]
        if not self._fresh:
            self._process = start_preloaded(arguments, stdout=out, stderr=err, environment=self._environment)
            return
        command = [sys.executable, "-m", "strangler.cli", *arguments]
        if self._descriptors is not None:
            command = ["prlimit", f"--nofile={self._descriptors[0]}:{self._descriptors[1]}", *command]
        self._process = subprocess.Popen(command, stdout=out, stderr=err, cwd=ROOT, env=self._environment)

    def wait_ready(self) -> None:
        """Wait until every worker serves by the newest configuration."""
        wait_for(self._is_ready, f"the gateway to be ready\n{self.events_text()}", START_DEADLINE)

    def _is_ready(self) -> bool:
        assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.events_text()}"
        try:
            return self.admin("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def close_outputs(self) -> None:
        """Close this side's files of standard output and standard error."""
        self._outputs.close()

    def kill(self) -> None:
        """End the control process and its workers without asking them."""
        pids = self.worker_pids() if self.process.poll() is None else []
        self.process.kill()
        self.process.wait(STOP_DEADLINE)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._outputs.close()

    # Configuration

    def document(self, config: Mapping[str, Any]) -> str:
        """The YAML of `config` with this gateway's addresses."""
        addresses = {"listen": f"127.0.0.1:{self.port}", "admin": f"127.0.0.1:{self.admin_port}"}
        return str(yaml.safe_dump({"version": 1, **addresses, **config}, sort_keys=False))

    def write(self, config: Mapping[str, Any]) -> None:
        """Put `config` in place, by renaming, as an editor does."""
        new = self.path.with_name(".new")
        new.write_text(self.document(config))
        new.rename(self.path)

    def reload(self, config: Mapping[str, Any]) -> None:
        """Put `config` in place and wait until every worker serves by it."""
        before = self.version()
        self.write(config)
        wait_for(lambda: self.version() != before, "the new configuration")
        self.wait_ready()

    def hang_up_signal(self) -> None:
        """SIGHUP."""
        self.process.send_signal(signal.SIGHUP)

    # What it says

    def client(self, **options: Any) -> Client:
        """A new connection."""
        return Client(self.port, **options)

    def admin(self, path: str) -> httpx.Response:
        """GET from the admin API."""
        return _ASKING.get(f"http://127.0.0.1:{self.admin_port}{path}")

    def status(self) -> dict[str, Any]:
        """The document at `/status`."""
        found: dict[str, Any] = self.admin("/status").json()
        return found

    def version(self) -> str:
        """The version of the running configuration."""
        return str(self.status()["configuration"]["version"])

    def worker_pids(self) -> list[int]:
        """The process ids of the workers, by number."""
        return [worker["pid"] for worker in sorted(self.status()["workers"], key=lambda worker: worker["number"])]

    def metrics(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """All samples by name and labels."""
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(self.admin("/metrics").text)
            for sample in family.samples
        }

    def metric(self, name: str, **labels: str) -> float:
        """The sum of all samples of that name whose labels have these values."""
        wanted = set(labels.items())
        return sum(value for (found, has), value in self.metrics().items() if found == name and wanted <= has)

    def events_text(self) -> str:
        """Standard error so far."""
        return (self.folder / "stderr").read_text()

    def events(self, event: str) -> list[dict[str, Any]]:
        """The lines of the event log with this `event`."""
        lines = [json.loads(line) for line in self.events_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == event]

    def access(self, path: str, count: int = 1) -> list[dict[str, Any]]:
        """The access log's lines for `path`, in order; waits until there are `count`."""

        def lines() -> list[dict[str, Any]]:
            # The last line may still be on its way.
            whole = (self.folder / "stdout").read_bytes().rpartition(b"\n")[0]
            found = [json.loads(line) for line in whole.splitlines()]
            return [line for line in found if line["path"] == path]

        wait_for(lambda: len(lines()) >= count, f"{count} lines for {path} in the access log")
        return lines()


def memory(pid: int) -> int:
    """The resident memory of a process, in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"process {pid} has no VmRSS")
