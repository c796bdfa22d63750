"""Which modules are compiled, and what a wheel is where nothing can be."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from importlib import import_module
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from strangler.compiled import MODULES, compiled_modules, source_of

ROOT = Path(__file__).parents[1]


def test_every_module_of_the_list_has_a_source() -> None:
    assert [module for module in MODULES if not source_of(module).is_file()] == []
    assert list(MODULES) == sorted(MODULES)


def test_the_code_under_test_is_the_expected_one() -> None:
    """A checkout's is interpreted; `make test-compiled` expects that of its wheel, with every module compiled."""
    expected = MODULES if os.environ.get("EXPECTED_CODE") == "compiled" else ()
    assert compiled_modules() == expected
    loaded = {module: import_module(module).__file__ or "" for module in MODULES}
    assert tuple(module for module, file in loaded.items() if file.endswith(tuple(EXTENSION_SUFFIXES))) == expected


def test_compiled_modules_are_those_with_an_extension(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("strangler.compiled._FOLDER", tmp_path)
    source = source_of(MODULES[0])
    source.parent.mkdir(parents=True)
    source.touch()
    assert compiled_modules() == ()
    source.with_suffix(".so").touch()
    assert compiled_modules() == MODULES[:1]


@pytest.mark.parametrize(
    "environment", [{"STRANGLER_COMPILE": "0"}, {"CC": "/nonexistent/cc"}], ids=["not wanted", "no compiler"]
)
def test_a_wheel_of_which_nothing_is_compiled_is_for_every_machine(environment: dict[str, str], tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    shutil.copytree(
        ROOT / "gateway", checkout / "gateway", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "*.so")
    )
    for name in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, checkout)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), "."]
    subprocess.run(command, cwd=checkout, env=os.environ | environment, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl")
    files = zipfile.ZipFile(wheel).namelist()
    assert "strangler/proxy/exchange/exchange.py" in files
    assert "strangler/shadow/report/report.html" in files
    assert not [name for name in files if name.endswith(".so")]
