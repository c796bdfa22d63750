"""Running `strangler` as a user does, and seeing what a user sees."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from strangler.cli.main import app

ROOT = Path(__file__).parents[2]
REFERENCE = str(ROOT / "config/gateway.yaml")


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it said on standard output and standard error."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as JSON."""
        return orjson.loads(self.out)


Strangler = Callable[..., Said]


@pytest.fixture
def strangler() -> Strangler:
    """Runs a command in this process, but through its whole command line."""

    def run(*arguments: str | Path) -> Said:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments], prog_name="strangler")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Said(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def strangler_process() -> Strangler:
    """Runs a command as a process of its own."""

    def run(*arguments: str | Path, cwd: Path = ROOT) -> Said:
        command = [sys.executable, "-m", "strangler.cli", *map(str, arguments)]
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)
        return Said(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a configuration."""

    def write(text: str) -> Path:
        file = tmp_path / "gateway.yaml"
        file.write_text(text)
        return file

    return write
