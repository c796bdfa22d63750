"""Checks of files by the schemas that check-jsonschema brings with it, in this process: it takes seconds to start."""

from __future__ import annotations

from pathlib import Path

from check_jsonschema import main
from click.testing import CliRunner


def refusal(file: Path, schema: str) -> str | None:
    """Why the schema refuses the file; None where it accepts it."""
    done = CliRunner().invoke(main, ["--builtin-schema", f"vendor.{schema}", str(file)])
    return None if done.exit_code == 0 else done.output
