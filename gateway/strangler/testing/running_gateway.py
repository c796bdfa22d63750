"""A gateway that runs for a test: the real command, in processes of its own, on ports that are free."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

START_DEADLINE = 30.0
STOP_DEADLINE = 40.0
_POLL = 0.02


class GatewayFailed(Exception):
    """The gateway did not start or did not stop as it should; the message contains the end of its output."""


class RunningGateway:
    """Serves by a configuration from entering to leaving; `url` and `admin_url` are where.

    `config` is the path of a YAML file or a folder of them, or a dict of what
    would stand in one: `version`, `listen` and `admin` are not needed, and
    files that it names are looked for in `folder`. `folder` also gets the
    logs, under `name`; without one a temporary folder is used. `environment` is
    added to that of the process.
    """

    def __init__(
        self,
        config: str | Path | Mapping[str, Any],
        *,
        workers: int = 1,
        folder: str | Path | None = None,
        name: str = "gateway",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.url = ""
        self.admin_url = ""
        self._config = config
        self._workers = workers
        self._name = name
        self._folder = Path(folder) if folder is not None else None
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._environment = {**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        if self._folder is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="strangler-")
            self._folder = Path(self._temporary.name)
        command = [
            *(sys.executable, "-P", "-m", "strangler.cli", "run", str(self._path(self._folder).absolute())),
            *("--workers", str(self._workers), "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"),
        ]
        access_log, event_log = (self._folder / f"{self._name}{kind}.log" for kind in ("-access", ""))
        with access_log.open("wb") as out, event_log.open("wb") as err:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=self._environment
            )
        try:
            self._wait_ready()
        except BaseException:
            self._process.kill()
            self._process.wait()
            self._clean()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(STOP_DEADLINE)
            if code and error is None:
                raise GatewayFailed(f"the gateway ended with {code}:\n{self._last_words()}")
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise GatewayFailed(f"the gateway did not stop in {STOP_DEADLINE:g} s:\n{self._last_words()}") from None
        finally:
            self._clean()

    def events(self, event: str | None = None) -> list[dict[str, Any]]:
        """The lines of the event log, all or those with this `event`."""
        events = _json_lines(self._log(""))
        return [line for line in events if event is None or line.get("event") == event]

    def access_log(self) -> list[dict[str, Any]]:
        """The lines of the access log so far; a line is written up to a second after its response."""
        return _json_lines(self._log("-access"))

    def status(self) -> dict[str, Any]:
        """What the admin API shows at /status."""
        response = httpx.get(f"{self.admin_url}/status", trust_env=False)
        status: dict[str, Any] = response.raise_for_status().json()
        return status

    def _path(self, folder: Path) -> Path:
        if not isinstance(self._config, Mapping):
            return Path(self._config)
        path = folder / f"{self._name}.yaml"
        # JSON is YAML, and needs no quoting rules.
        path.write_text(json.dumps({"version": 1, **self._config}))
        return path

    def _wait_ready(self) -> None:
        assert self._process is not None
        end = time.monotonic() + START_DEADLINE
        while not (ready := self.events("ready")):
            if self._process.poll() is not None:
                raise GatewayFailed(f"the gateway ended with {self._process.returncode}:\n{self._last_words()}")
            if time.monotonic() > end:
                raise GatewayFailed(f"the gateway is not ready after {START_DEADLINE:g} s:\n{self._last_words()}")
            time.sleep(_POLL)
        self.url = f"http://{ready[0]['listen']}"
        self.admin_url = f"http://{ready[0]['admin']}"

    def _log(self, kind: str) -> str:
        assert self._folder is not None
        return (self._folder / f"{self._name}{kind}.log").read_text(errors="replace")

    def _last_words(self) -> str:
        return "\n".join(self._log("").splitlines()[-20:])

    def _clean(self) -> None:
        if self._temporary is not None:
            self._temporary.cleanup()


def _json_lines(text: str) -> list[dict[str, Any]]:
    """The whole lines of a log that are JSON; the last one may still be on its way."""
    return [json.loads(line) for line in text.rpartition("\n")[0].splitlines() if line.startswith("{")]
