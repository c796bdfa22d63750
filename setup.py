"""Builds the wheel: what runs for each request is compiled by mypyc where there is a C compiler, else it stays Python.

STRANGLER_COMPILE=0 gives a pure wheel, STRANGLER_COMPILE=1 fails where nothing can be compiled; otherwise the build
goes on without, and says so. An editable install is never compiled: a checkout runs what its files say (decision 0031).
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError, CCompilerError

PACKAGES = Path(__file__).parent / "gateway"
# Types were checked before, strictly; here every build sees the same, whether libraries are installed beside it or not.
MYPY = ("--config-file=", "--ignore-missing-imports", "--follow-imports=silent", "--no-site-packages")


def go_without(why: str) -> None:
    """Say why nothing is compiled; fail where STRANGLER_COMPILE=1 insists on it."""
    if os.environ.get("STRANGLER_COMPILE") == "1":
        raise SystemExit(why)
    print(f"{why} The gateway will be interpreted: it does the same, with more processor time.", file=sys.stderr)


def is_compiled() -> bool:
    """Whether this is the build of a wheel that is to be compiled, and there is a compiler with Python's headers."""
    if "bdist_wheel" not in sys.argv or os.environ.get("STRANGLER_COMPILE") == "0":
        return False
    command = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    command += ["-E", "-x", "c", "-I", sysconfig.get_path("include"), "-"]
    try:
        subprocess.run(command, input=b"#include <Python.h>\n", capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        go_without(f"There is no C compiler with Python's headers ({error}).")
        return False
    return True


def extensions(folder: Path) -> list[Extension]:
    """The extensions of the modules that `strangler.compiled` lists, their C in `folder`; none where mypyc refuses."""
    from mypyc.build import mypycify

    spec = spec_from_file_location("compiled", PACKAGES / "strangler" / "compiled.py")
    assert spec is not None
    assert spec.loader is not None
    listed = module_from_spec(spec)
    spec.loader.exec_module(listed)
    os.environ["MYPYPATH"] = str(PACKAGES)
    sources = [os.path.relpath(listed.source_of(module)) for module in listed.MODULES]
    try:
        return mypycify(
            [*MYPY, f"--cache-dir={folder / 'types'}", *sources],
            opt_level="2",
            debug_level="0",
            group_name="strangler",
            # One file of all modules takes longer to compile, on one core, and runs no faster.
            multi_file=True,
            target_dir=str(folder / "c"),
        )
    except SystemExit as error:
        go_without(f"mypyc does not take the modules: {error}.")
        return []


class BuildExtensions(build_ext):
    """Compiles several files at once. The wheel gets all extensions or none: some don't load without the others."""

    def run(self) -> None:
        self.parallel = os.cpu_count()
        try:
            super().run()
        except (BaseError, CCompilerError) as error:
            go_without(f"The C compiler failed: {error}.")
            for path in self.get_outputs():
                Path(path).unlink(missing_ok=True)
            self.extensions = []

    def build_extensions(self) -> None:
        compile_in_turn = self.compiler.compile

        def compile_at_once(sources: Sequence[str], **options: Any) -> list[str]:
            with ThreadPoolExecutor(os.cpu_count()) as threads:
                done = threads.map(lambda source: compile_in_turn([source], **options), sources)
                return [built for objects in done for built in objects]

        self.compiler.compile = compile_at_once
        super().build_extensions()


# Outside of the checkout: what an earlier build has left in it would go into the wheel.
with tempfile.TemporaryDirectory(prefix="strangler-build-") as built:
    setup(
        ext_modules=extensions(Path(built)) if is_compiled() else [],
        cmdclass={"build_ext": BuildExtensions},
        options={"build": {"build_base": built}},
    )
