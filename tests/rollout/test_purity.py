"""The rollout package reads no clock and does no I/O: import rules check the modules, these tests the calls."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from strangler import rollout

FORBIDDEN = {"now", "utcnow", "today", "open", "read_text", "write_text", "getenv"}
MODULES = sorted(Path(rollout.__file__).parent.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_module_calls_no_clock_and_no_file(path: Path) -> None:
    calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    names = {func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "") for func in calls}
    assert not names & FORBIDDEN
