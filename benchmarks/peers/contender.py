"""What the benchmark needs to know of a proxy."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import NotRunnable
from benchmarks.workload import Setting


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a proxy, and the URL that answers below 500 once it is ready."""

    command: Sequence[str | Path]
    ready_url: str


@dataclass(frozen=True, slots=True)
class Contender:
    """A proxy to measure. `version` and `launch` raise NotRunnable with the reason.

    One that does not do the `full_job` is measured beside those that do, as what passing on alone costs.
    """

    name: str
    version: Callable[[], str]
    launch: Callable[[Setting], Launch]
    full_job: bool = True


def installed(name: str) -> str:
    """The path of a program; Debian puts daemons where an ordinary user's PATH does not look."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise NotRunnable(f"{name} is not installed")
    return found


def printed(command: Sequence[str | Path]) -> str:
    """What a command prints on both streams; its exit code does not matter."""
    said = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    return said.stdout + said.stderr
