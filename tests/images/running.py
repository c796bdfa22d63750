"""Containers of the images under test: read-only, a user that no image knows, no network but loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.e2e.waiting import wait_for
from tests.images.building import STORAGE

UNKNOWN_USER = "1234567:0"
"""A user id that no image knows, in group 0, as OpenShift runs containers."""
DEADLINE = 120.0

_ENVIRONMENT = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}


def podman(*arguments: str, check: bool = True) -> str:
    """The standard output of podman."""
    command = ["podman", *STORAGE, "--runtime", "runc", "--cgroup-manager", "cgroupfs", *arguments]
    done = subprocess.run(command, env=_ENVIRONMENT, capture_output=True, text=True)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout


@dataclass(frozen=True, slots=True)
class Options:
    """How a container runs: memory in megabytes, volumes, environment, and whose network it shares."""

    memory: int = 256
    volumes: Sequence[str] = ()
    environment: Sequence[str] = ()
    network: str = "none"


def arguments(image: str, command: Sequence[str], options: Options) -> list[str]:
    """What `podman run` gets besides its mode."""
    return [
        "--read-only",
        "--tmpfs=/tmp",
        f"--user={UNKNOWN_USER}",
        "--unsetenv=HOME",
        "--cap-drop=all",
        "--security-opt=no-new-privileges",
        f"--memory={options.memory}m",
        "--ulimit=nofile=1024:1024",
        "--ulimit=nproc=1024:1024",
        f"--network={options.network}",
        *(f"--volume={volume}" for volume in options.volumes),
        *(f"--env={variable}" for variable in options.environment),
        image,
        *command,
    ]


class Container:
    """A running container of an image, removed on leaving."""

    def __init__(self, image: str, command: Sequence[str] = (), options: Options | None = None) -> None:
        self.id = podman("run", "-d", *arguments(image, command, options or Options())).strip()

    def __enter__(self) -> Container:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        podman("rm", "-f", "--time", "0", self.id)

    @property
    def state(self) -> dict[str, Any]:
        """What `podman inspect` reports of it."""
        (found,) = json.loads(podman("inspect", self.id))
        assert isinstance(found, dict)
        return found

    @property
    def logs(self) -> str:
        """Standard output and standard error so far."""
        command = ["podman", *STORAGE, "logs", self.id]
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout

    def wait_healthy(self) -> None:
        """Wait until the image's own health check passes."""
        wait_for(self._is_healthy, "the health check to pass", DEADLINE)

    def _is_healthy(self) -> bool:
        assert self.state["State"]["Running"], self.logs
        command = [
            "podman",
            *STORAGE,
            "--runtime",
            "runc",
            "--cgroup-manager",
            "cgroupfs",
            "healthcheck",
            "run",
            self.id,
        ]
        return subprocess.run(command, env=_ENVIRONMENT, capture_output=True).returncode == 0

    def python(self, code: str) -> str:
        """The output of Python code in the container."""
        return podman("exec", self.id, "python3", "-c", code)

    def outside(self, code: str, stack: ExitStack) -> subprocess.Popen[str]:
        """Python code that runs on this machine in the container's network, until `stack` is left."""
        command = ["nsenter", "-t", str(self.state["State"]["Pid"]), "-n", sys.executable, "-c", code]
        process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=_ENVIRONMENT))
        stack.callback(process.kill)
        return process

    def request(self, url: str, token: str = "") -> tuple[int, str]:
        """Status and body of a GET in the container's network."""
        fields = {"Authorization": f"Bearer {token}"} if token else {}
        code = (
            "import json, urllib.request as r, urllib.error as e\n"
            f"try: found = r.urlopen(r.Request({url!r}, headers={fields!r}), timeout=10)\n"
            "except e.HTTPError as error: found = error\n"
            "print(json.dumps([found.status, found.read().decode()]))"
        )
        with ExitStack() as stack:
            output, _ = self.outside(code, stack).communicate(timeout=30)
        status, body = json.loads(output)
        return int(status), str(body)

    def stop(self, seconds: int) -> int:
        """Send SIGTERM to process 1, and SIGKILL after `seconds`; the exit code."""
        podman("stop", "--time", str(seconds), self.id)
        return int(self.state["State"]["ExitCode"])


def once(image: str, command: Sequence[str], options: Options) -> str:
    """Run a command in a container of its own until it ends; its output. Raises where it fails."""
    return podman("run", "--rm", *arguments(image, command, options))


def folder_volume(folder: Path, place: str) -> str:
    """A folder of this machine, read-only in the container."""
    return f"{folder}:{place}:ro"
