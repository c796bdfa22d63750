"""Starts the gateway's own processes so that no file in the current directory can replace a module.

`python -m` puts the current directory first on the path, where a project's
`types.py`, for example, would be imported instead of the standard library's.
"""

from __future__ import annotations

import sys


def python_module(name: str) -> tuple[str, ...]:
    """The start of a command that runs the module `name` without the current directory on its path."""
    return (sys.executable, "-P", "-m", name)
